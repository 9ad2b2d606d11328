//! Summaries of a whole history: the last number of each subject, and when each message was last published.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use events::{Envelope, MAX_SEQUENCE};

use super::stream_of;
use crate::messaging::{
    Incoming,
    rabbit::{BrokerError, Link, StreamOffset, StreamReader, newest_in},
    sender,
};

/// The events of one name in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// When the newest was written.
    pub last: DateTime<Utc>,
    /// Their number.
    pub count: u64,
}

/// The contents of a producer's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InHistory {
    /// When the oldest event still kept was written.
    pub since: Option<DateTime<Utc>>,
    /// The events by their names.
    pub messages: BTreeMap<String, Published>,
}

/// The largest plausible distance between two successive events of a subject in the history.
const MAX_STEP: i64 = 100_000;

/// The last numbers of a producer's subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastNumbers {
    /// The last number by subject.
    pub numbers: BTreeMap<String, i64>,
    /// The number of messages that were ignored: unreadable, not sent by the producer, of another producer's name, or
    /// with an implausible number.
    pub ignored: u64,
}

impl LastNumbers {
    fn note(&mut self, subject: String, number: i64) {
        let last = self.numbers.get(&subject).copied();
        if number > MAX_SEQUENCE || last.is_some_and(|last| number > last + MAX_STEP) {
            self.ignored += 1;
            return;
        }
        self.numbers.insert(subject, number.max(last.unwrap_or(number)));
    }
}

/// The last numbers of a producer's subjects among the events still in its history.
///
/// # Errors
/// If the history cannot be read.
pub async fn last_numbers(link: &Link, producer: &str) -> Result<LastNumbers, BrokerError> {
    let mut found = LastNumbers::default();
    let note = |message: Incoming| match message.envelope {
        Ok(event)
            if message.user.as_deref() == Some(producer) && sender::check(&event.name, Some(producer)).is_ok() =>
        {
            if let (Some(subject), Some(number)) = (event.subject, event.sequence) {
                found.note(subject, number);
            }
        }
        _ => found.ignored += 1,
    };
    read_whole(link, producer, note).await?;
    Ok(found)
}

/// The events still in a producer's history: their number by name, and when the newest of each name was written.
///
/// # Errors
/// If the history cannot be read.
pub async fn published(link: &Link, producer: &str) -> Result<InHistory, BrokerError> {
    let mut found = InHistory::default();
    let note = |message: Incoming| {
        let Ok(Envelope { name, time, .. }) = message.envelope else { return };
        found.since = Some(found.since.map_or(time, |since| since.min(time)));
        let seen = found.messages.entry(name).or_insert(Published { last: time, count: 0 });
        *seen = Published { last: seen.last.max(time), count: seen.count + 1 };
    };
    read_whole(link, producer, note).await?;
    Ok(found)
}

/// Reads a history from its beginning to its present end.
async fn read_whole(link: &Link, producer: &str, mut note: impl FnMut(Incoming)) -> Result<(), BrokerError> {
    let stream = stream_of(producer);
    let Some(newest) = newest_in(link, &stream).await? else { return Ok(()) };
    let mut reader = StreamReader::new(link.clone(), stream, StreamOffset::Number(0));
    loop {
        let past = reader.next().await?;
        note(past.message);
        if past.number >= newest.number {
            reader.close().await;
            return Ok(());
        }
    }
}
