//! Summaries of a whole history: the last number of each subject, and when each message was last published.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use events::Envelope;

use super::stream_of;
use crate::messaging::rabbit::{BrokerError, Link, StreamOffset, StreamReader, newest_in};

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

/// The last numbers of a producer's subjects among the events still in its history.
///
/// # Errors
/// If the history cannot be read.
pub async fn last_numbers(link: &Link, producer: &str) -> Result<BTreeMap<String, i64>, BrokerError> {
    let mut numbers = BTreeMap::new();
    let note = |envelope: Envelope| {
        if let (Some(subject), Some(number)) = (envelope.subject, envelope.sequence) {
            let last = numbers.entry(subject).or_insert(number);
            *last = number.max(*last);
        }
    };
    read_whole(link, producer, note).await?;
    Ok(numbers)
}

/// The events still in a producer's history: their number by name, and when the newest of each name was written.
///
/// # Errors
/// If the history cannot be read.
pub async fn published(link: &Link, producer: &str) -> Result<InHistory, BrokerError> {
    let mut found = InHistory::default();
    let note = |Envelope { name, time, .. }: Envelope| {
        found.since = Some(found.since.map_or(time, |since| since.min(time)));
        let seen = found.messages.entry(name).or_insert(Published { last: time, count: 0 });
        *seen = Published { last: seen.last.max(time), count: seen.count + 1 };
    };
    read_whole(link, producer, note).await?;
    Ok(found)
}

/// Reads a history from its beginning to its present end.
async fn read_whole(link: &Link, producer: &str, mut note: impl FnMut(Envelope)) -> Result<(), BrokerError> {
    let stream = stream_of(producer);
    let Some(newest) = newest_in(link, &stream).await? else { return Ok(()) };
    let mut reader = StreamReader::new(link.clone(), stream, StreamOffset::Number(0));
    loop {
        let past = reader.next().await?;
        if let Ok(envelope) = past.message.envelope {
            note(envelope);
        }
        if past.number >= newest.number {
            reader.close().await;
            return Ok(());
        }
    }
}
