//! Merges several streams in the order of their events' times, up to where each ended when the reading began.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use super::stream_of;
use crate::messaging::rabbit::{BrokerError, Link, Past, StreamOffset, StreamReader, newest_in, oldest_in};

/// Events are sent some time after they are written, and not exactly in the order of their times: a stream is read from
/// this much earlier.
const MARGIN: TimeDelta = TimeDelta::minutes(10);

/// The maximum clock difference between a service and the broker.
const SKEW: TimeDelta = TimeDelta::minutes(1);

/// Several streams, merged.
pub(super) struct Merge {
    lanes: Vec<Lane>,
    /// For each producer whose history begins too late: when its oldest kept event was written.
    pub begin_later: BTreeMap<String, DateTime<Utc>>,
}

struct Lane {
    stream: String,
    reader: StreamReader,
    /// The first number that is not read.
    end: u64,
    /// The next number.
    position: u64,
    head: Option<Past>,
}

impl Merge {
    /// Opens the histories of these producers, each at its saved position, else at a time.
    pub async fn open(
        link: &Link,
        producers: &[String],
        from: DateTime<Utc>,
        left: &BTreeMap<String, u64>,
    ) -> Result<Self, BrokerError> {
        let (mut lanes, mut begin_later) = (Vec::new(), BTreeMap::new());
        for producer in producers {
            let stream = stream_of(producer);
            if let Some(newest) = newest_in(link, &stream).await? {
                if let Ok(oldest) = oldest_in(link, &stream).await?.message.envelope
                    && oldest.time > from
                {
                    begin_later.insert(producer.clone(), oldest.time);
                }
                let left = left.get(&stream).copied();
                lanes.extend(Lane::try_new(link, stream, &newest, from, left));
            }
        }
        Ok(Self { lanes, begin_later })
    }

    /// The next event, with its stream and its number in it. `None` at the end.
    pub async fn next(&mut self) -> Result<Option<(String, Past)>, BrokerError> {
        for lane in &mut self.lanes {
            lane.fill().await?;
        }
        // A message that cannot be read has no time: it goes first and delays no other.
        let time =
            |lane: &Lane| lane.head.as_ref().and_then(|past| past.message.envelope.as_ref().ok()).map(|e| e.time);
        let lanes = self.lanes.iter_mut().filter(|lane| lane.head.is_some());
        let Some(first) = lanes.min_by_key(|lane| time(lane)) else { return Ok(None) };
        Ok(first.head.take().map(|past| (first.stream.clone(), past)))
    }

    /// The approximate number of messages still to be read.
    pub fn remaining(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.end.saturating_sub(lane.position)).sum()
    }

    /// Stops reading.
    pub async fn close(&mut self) {
        for lane in &mut self.lanes {
            lane.reader.close().await;
        }
    }
}

impl Lane {
    /// The part of a stream to read; `None` if there is none.
    fn try_new(link: &Link, stream: String, newest: &Past, from: DateTime<Utc>, left: Option<u64>) -> Option<Self> {
        let end = newest.number + 1;
        let (place, position) = match (left, &newest.message.envelope) {
            (Some(left), _) if left >= end => return None,
            (Some(left), _) => (StreamOffset::Number(left), left),
            // Nothing arrives for a position behind the end: do not wait for it.
            (None, Ok(envelope)) if envelope.time < from - MARGIN => return None,
            (None, Ok(_)) => (StreamOffset::At(from - MARGIN - SKEW), 0),
            (None, Err(_)) => (StreamOffset::Number(0), 0),
        };
        let reader = StreamReader::new(link.clone(), &*stream, place);
        Some(Self { stream, reader, end, position, head: None })
    }

    async fn fill(&mut self) -> Result<(), BrokerError> {
        if self.head.is_some() || self.position >= self.end {
            return Ok(());
        }
        let past = self.reader.next().await?;
        if self.position > 0 && past.number > self.position {
            warn!(
                stream = self.stream,
                from = self.position,
                to = past.number,
                "events were already deleted because of their age"
            );
        }
        self.position = past.number + 1;
        // The wanted part may have expired while it was read.
        self.head = (past.number < self.end).then_some(past);
        Ok(())
    }
}
