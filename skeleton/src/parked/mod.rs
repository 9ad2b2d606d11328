//! Parked messages, for the people who look after them: from the command line, and as pages on the admin port.
//!
//! Both doors lead to the same few functions here. Personal data is masked whatever the door; who edits data leaves the
//! masks where they are, and what they stand for stays.

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

/// The most messages that one decision is about.
const MOST: i64 = 100_000;

/// How many messages share a transaction, where there is no hurry limit.
const AT_ONCE: usize = 500;

/// Why a decision was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody is named, or badly.
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// No filter is given.
    #[error("say which messages: --id, --name, --subject, --reason, --queue, --since, --until, --attempts, or --all")]
    NothingChosen,
    /// The filter cannot be read.
    #[error("{0}")]
    WrongFilter(String),
    /// Other messages than those that were seen are parked by now.
    #[error("the filter lets other messages through by now: look at them again")]
    OthersNow,
    /// More than one message would be gone.
    #[error("{0} messages would be gone for good: look at them with --dry-run, then say --yes")]
    NotConfirmed(usize),
    /// There is no such message.
    #[error("no message {0} is set aside: it was handled or dropped; `parked audit --id {0}` may tell")]
    NotThere(Uuid),
    /// It is in a state that this cannot be done in.
    #[error("message {0} is {word}, not parked", word = .1.as_str())]
    NotParked(Uuid, State),
    /// Somebody was faster.
    #[error("message {0} has changed since it was read: look at it again")]
    Changed(Uuid),
    /// The new data is too large.
    #[error("the data is too large: {0} bytes, the limit is 256 kB")]
    TooLarge(usize),
    /// The new data cannot be parsed.
    #[error("the data is no JSON: line {line}, column {column}")]
    NotJson {
        /// Where.
        line: usize,
        /// Where in it.
        column: usize,
    },
    /// A mask stands where nothing was masked.
    #[error(transparent)]
    NothingBehind(#[from] NothingBehind),
    /// The new data breaks the schema.
    #[error(transparent)]
    Violation(#[from] events::Violation),
    /// The schema lets it through, the type does not.
    #[error("the data fits the schema of {0}, not its type")]
    NotItsType(&'static str),
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, std::io::Error),
    /// The store failed on the way.
    #[error("stopped after {done} of {of} messages: {error}; the same command does the rest")]
    Interrupted {
        /// How many were done.
        done: u64,
        /// Of how many.
        of: usize,
        /// Why.
        error: StoreError,
    },
    /// The store failed.
    #[error("the store does not do it: {0}")]
    Store(StoreError),
    /// What came of it cannot be told.
    #[error("the outcome cannot be written: {0}")]
    Unwritten(#[from] std::io::Error),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The one message of an id.
async fn find<S: Store>(store: &S, id: Uuid) -> Result<SetAside, Refused> {
    store.list_set_aside(&Filter::of(id), 1).await?.pop().ok_or(Refused::NotThere(id))
}

/// Lets messages be handled again, not more than so many in a second.
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

/// Forgets messages for good.
async fn drop_parked<S: Store>(store: &S, messages: &[Uuid], signed: &Signed) -> Result<u64, Refused> {
    let mut done = 0;
    for some in messages.chunks(AT_ONCE) {
        let dropped = store.drop_parked(some, signed).await;
        done += dropped.map_err(|error| Refused::Interrupted { done, of: messages.len(), error })?;
    }
    Ok(done)
}

/// How many messages at once, and how long until the next.
#[derive(Debug, PartialEq)]
struct Pace {
    at_once: usize,
    pause: Duration,
}

impl Pace {
    const FREE: Self = Self { at_once: AT_ONCE, pause: Duration::from_millis(1) };

    /// So many in a second, in ten portions or one by one.
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
