//! Parked messages for the people who handle them: on the command line, and as pages on the admin port.
//!
//! Both use the functions in this module. Both mask personal data; editing a message keeps the values behind its masks.

mod arguments;
mod commands;
mod edit;
mod masks;
pub(crate) mod pages;
mod shown;

use std::{num::NonZeroU32, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{Filter, NotSigned, SetAside, Signed, State, Store},
};

pub use arguments::Command;
pub use commands::run;
pub use edit::{Checked, Edit};
pub use masks::{MASK, NothingBehind};

/// The most messages of one decision.
const MOST: i64 = 100_000;

/// How many messages share a transaction if there is no rate limit.
const AT_ONCE: usize = 500;

/// Why a decision was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The name of the operator is missing or invalid.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// No filter is given.
    #[error(
        "select the messages with --id, --name, --subject, --reason, --queue, --since, --until, --attempts, or --all"
    )]
    NothingChosen,
    /// The filter cannot be read.
    #[error("{0}")]
    WrongFilter(String),
    /// The messages that match the filter are no longer those that were shown.
    #[error("the filter now matches other messages: review them again")]
    OthersNow,
    /// More than one message would be dropped.
    #[error("{0} messages would be dropped for good: review them with --dry-run, then add --yes")]
    NotConfirmed(usize),
    /// There is no such message.
    #[error("no message {0} is set aside: it was handled or dropped; `parked audit --id {0}` may show which")]
    NotThere(Uuid),
    /// Its state does not allow this.
    #[error("message {0} is {word}, not parked", word = .1.as_str())]
    NotParked(Uuid, State),
    /// The message was changed concurrently.
    #[error("message {0} has changed since it was read: review it again")]
    Changed(Uuid),
    /// The new data is too large.
    #[error("the data is too large: {0} bytes, the limit is 256 kB")]
    TooLarge(usize),
    /// The new data cannot be parsed.
    #[error("the data is not valid JSON: line {line}, column {column}")]
    NotJson {
        /// The line.
        line: usize,
        /// The column in the line.
        column: usize,
    },
    /// A mask without a value behind it.
    #[error(transparent)]
    NothingBehind(#[from] NothingBehind),
    /// The new data breaks the schema.
    #[error(transparent)]
    Violation(#[from] events::Violation),
    /// The data fits the schema, but not the type.
    #[error("the data fits the schema of {0}, but not its type")]
    NotItsType(&'static str),
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    /// The store failed partway.
    #[error("stopped after {done} of {of} messages: {error}; repeat the command for the rest")]
    Interrupted {
        /// How many are done.
        done: u64,
        /// Of how many.
        of: usize,
        /// The store's error.
        error: StoreError,
    },
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(StoreError),
    /// The outcome cannot be written.
    #[error("failed to write the outcome: {0}")]
    Unwritten(#[from] std::io::Error),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The message with an id.
async fn find<S: Store>(store: &S, id: Uuid) -> Result<SetAside, Refused> {
    store.list_set_aside(&Filter::of(id), 1).await?.pop().ok_or(Refused::NotThere(id))
}

/// Redrives messages, at most `rate` per second if given.
async fn redrive<S: Store>(
    store: &S,
    messages: &[Uuid],
    rate: Option<NonZeroU32>,
    signed: &Signed,
) -> Result<u64, Refused> {
    let Pace { at_once, pause } = rate.map_or(Pace::FREE, Pace::of);
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut done = 0;
    for some in messages.chunks(at_once) {
        ticks.tick().await;
        let redriven = store.redrive(some, signed).await;
        done += redriven.map_err(|error| Refused::Interrupted { done, of: messages.len(), error })?;
    }
    Ok(done)
}

/// Drops messages for good.
async fn drop_parked<S: Store>(store: &S, messages: &[Uuid], signed: &Signed) -> Result<u64, Refused> {
    let mut done = 0;
    for some in messages.chunks(AT_ONCE) {
        let dropped = store.drop_parked(some, signed).await;
        done += dropped.map_err(|error| Refused::Interrupted { done, of: messages.len(), error })?;
    }
    Ok(done)
}

/// The size of a portion, and the pause until the next.
#[derive(Debug, PartialEq)]
struct Pace {
    at_once: usize,
    pause: Duration,
}

impl Pace {
    const FREE: Self = Self { at_once: AT_ONCE, pause: Duration::from_millis(1) };

    /// This many per second, in ten portions or one by one.
    fn of(rate: NonZeroU32) -> Self {
        let at_once = (rate.get() / 10).clamp(1, AT_ONCE as u32);
        Self { at_once: at_once as usize, pause: Duration::from_secs(1) * at_once / rate.get() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_never_faster_than_it_should_be() {
        for rate in [1, 3, 10, 99, 1_000, 1_000_000] {
            let Pace { at_once, pause } = Pace::of(NonZeroU32::new(rate).unwrap());

            let in_a_second = at_once as f64 / pause.as_secs_f64();

            assert!((in_a_second - f64::from(rate)).abs() / f64::from(rate) < 0.01, "{rate}: {in_a_second}");
        }
    }
}
