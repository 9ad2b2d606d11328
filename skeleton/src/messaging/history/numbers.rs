//! The last number of each subject, as the history of its producer has it.

use std::collections::BTreeMap;

use super::stream_of;
use crate::messaging::rabbit::{Link, Place, StreamReader, newest_in};

/// The last numbers of a producer's subjects among the events that its history still has.
///
/// # Errors
/// Where the history cannot be read.
pub async fn last_numbers(link: &Link, producer: &str) -> Result<BTreeMap<String, i64>, String> {
    let stream = stream_of(producer);
    let mut numbers = BTreeMap::new();
    let Some(newest) = newest_in(link, &stream).await? else { return Ok(numbers) };
    let mut reader = StreamReader::new(link.clone(), stream, Place::Number(0));
    loop {
        let past = reader.next().await?;
        if let Ok(envelope) = past.message.envelope
            && let (Some(subject), Some(number)) = (envelope.subject, envelope.sequence)
        {
            let last = numbers.entry(subject).or_insert(number);
            *last = number.max(*last);
        }
        if past.number >= newest.number {
            reader.close().await;
            return Ok(numbers);
        }
    }
}
