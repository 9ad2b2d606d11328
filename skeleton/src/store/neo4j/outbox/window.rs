//! The window: the messages to send next, and how far the outbox was read.

use std::time::{Duration, Instant};

use neo4rs::query;

use super::row::Message;
use crate::{failure::StoreError, store::neo4j::Neo4j};

/// How often the outbox is read from the start, to find messages that an operator has put back.
const SWEEP: Duration = Duration::from_secs(60);

/// The number of positions in one step of a sweep. Postponed messages are skipped one by one, so the time of a step is
/// limited, however many there are.
const STEP: i64 = 20_000;

const NEXT: &str =
    "MATCH (message:Outbox) WHERE message.position >= $from AND message.position < $to AND message.postponed_at IS NULL
    RETURN message.position AS position, message.exchange AS exchange, message.routing_key AS routing_key,
        message.sequence AS sequence, message.envelope AS envelope, message.body AS body
    ORDER BY position LIMIT $limit";

const READMITTED: &str = "MATCH (message:Outbox) WHERE message.position IN $positions AND message.postponed_at IS NULL
    RETURN message.position AS position, message.exchange AS exchange, message.routing_key AS routing_key,
        message.sequence AS sequence, message.envelope AS envelope, message.body AS body
    ORDER BY position LIMIT $limit";

/// The last position of a committed message.
const LAST: &str = "MATCH (counter:Counter {name: 'outbox'}) RETURN counter.last";

/// How far the outbox was read.
#[derive(Default)]
pub(super) struct Window {
    /// When a sweep has reached the last position. `None` during a sweep.
    swept: Option<Instant>,
    from: i64,
    last: i64,
    /// Messages that are ready again: they are read first, by their positions.
    readmitted: Vec<i64>,
}

impl Window {
    /// Adds messages that are ready again.
    pub(super) fn readmitted(&mut self, positions: &[i64]) {
        self.readmitted.extend(positions);
    }

    /// Records that the outbox was read. Positions grow in commit order: no message appears any more before those read.
    fn has_read(&mut self, messages: &[Message]) {
        self.from = messages.first().map_or(self.last + 1, |first| first.position);
        self.last = messages.last().map_or(self.last, |last| self.last.max(last.position));
    }

    /// The position to read up to.
    fn to(&self) -> i64 {
        if self.swept.is_some() { i64::MAX } else { self.from + STEP }
    }

    /// Records that a step of a sweep has found nothing; `last` was the last position before it.
    fn has_stepped(&mut self, last: i64) {
        self.from = self.to().min(last + 1);
        self.last = self.from - 1;
        self.swept = (self.from > last).then(Instant::now);
    }
}

impl Neo4j {
    /// Reads a window: first the messages that are ready again, then those from the position that was reached.
    pub(super) async fn read(&self, window: &mut Window, limit: i64) -> Result<Vec<Message>, StoreError> {
        if !window.readmitted.is_empty() {
            let asked = query(READMITTED).param("limit", limit).param("positions", window.readmitted.as_slice());
            let messages: Vec<Message> = self.query(asked).await?;
            if !messages.is_empty() {
                return Ok(messages);
            }
            window.readmitted.clear();
        }
        if window.swept.is_some_and(|at| at.elapsed() > SWEEP) {
            (window.swept, window.from) = (None, 0);
        }
        loop {
            // Before the messages: every one up to this position is visible to the next query.
            let last: Option<i64> = if window.swept.is_none() { self.query_opt(query(LAST)).await? } else { None };
            let asked = query(NEXT).param("limit", limit).param("from", window.from).param("to", window.to());
            let messages: Vec<Message> = self.query(asked).await?;
            let Some(last) = last.filter(|_| messages.is_empty()) else {
                window.has_read(&messages);
                return Ok(messages);
            };
            window.has_stepped(last);
            if window.swept.is_some() {
                return Ok(messages);
            }
        }
    }
}
