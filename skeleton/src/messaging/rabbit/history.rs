//! A stream of the past, read from a place in it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::Instant;
use tracing::warn;

use super::{BrokerError, Link, PATIENCE, answered, incoming};
use crate::messaging::Incoming;

/// How many messages may be on their way to us.
const PREFETCH: u16 = 500;

/// The wait after trouble.
const PAUSE: Duration = Duration::from_millis(500);

/// What a stream has comes at once. Where nothing more has come for so long, it has no more.
const QUIET: Duration = Duration::from_millis(500);

/// The same before anything has come: a stream may have to be opened first.
const FIRST: Duration = Duration::from_secs(2);

/// A place in a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StreamOffset {
    /// The last messages that were written in one go.
    Last,
    /// What was written at this time, give or take a few messages before it.
    At(DateTime<Utc>),
    /// The message of this number.
    Number(u64),
}

/// A message of the past.
pub struct Past {
    /// Its number in the stream.
    pub number: u64,
    /// The message.
    pub message: Incoming,
}

/// Reads one stream, whichever connection brings it. Each message comes once, in the stream's order.
pub struct StreamReader {
    link: Link,
    stream: String,
    place: StreamOffset,
    open: Option<(Channel, Consumer)>,
    was_open: bool,
    unacknowledged: u16,
}

impl StreamReader {
    /// A reader that begins at this place.
    pub fn new(link: Link, stream: impl Into<String>, place: StreamOffset) -> Self {
        Self { link, stream: stream.into(), place, open: None, was_open: false, unacknowledged: 0 }
    }

    /// The next message; waits for it. Dropped while waiting, it may leave a message out.
    ///
    /// # Errors
    /// Where the stream is not there or may not be read.
    pub async fn next(&mut self) -> Result<Past, BrokerError> {
        loop {
            let delivery = self.delivery().await?;
            let Some(number) = number_of(&delivery) else {
                return Err(BrokerError::NotAStream(self.stream.clone()));
            };
            // A place is found to the nearest group of messages: what lies before a number is left out.
            let is_before = matches!(self.place, StreamOffset::Number(next) if number < next);
            self.grant(delivery.delivery_tag).await;
            if !is_before {
                self.place = StreamOffset::Number(number + 1);
                return Ok(Past { number, message: incoming(delivery) });
            }
        }
    }

    async fn delivery(&mut self) -> Result<Delivery, BrokerError> {
        loop {
            if self.open.is_none() {
                match self.try_open().await {
                    Ok(open) => self.open = Some(open),
                    Err(error) if !self.was_open => return Err(error),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
            let Some((_, consumer)) = &mut self.open else { continue };
            match consumer.next().await {
                Some(Ok(delivery)) => return Ok(delivery),
                _ => {
                    warn!(stream = self.stream, "the reading of a stream was cut off: going on");
                    self.open = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_open(&mut self) -> Result<(Channel, Consumer), BrokerError> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-stream-offset".into(), self.place.as_argument());
        let options = BasicConsumeOptions::default();
        let open = self.link.consume(&self.stream, PREFETCH, options, arguments, PATIENCE).await?;
        (self.was_open, self.unacknowledged) = (true, 0);
        Ok(open)
    }

    /// Lets the broker send more: an acknowledgement takes nothing out of a stream.
    async fn grant(&mut self, tag: u64) {
        self.unacknowledged += 1;
        if self.unacknowledged < PREFETCH / 4 {
            return;
        }
        if let Some((channel, _)) = &self.open {
            // Lost with its channel, which the next look finds out.
            let _ = channel.basic_ack(tag, BasicAckOptions { multiple: true }).await;
        }
        self.unacknowledged = 0;
    }

    /// Stops reading.
    pub async fn close(&mut self) {
        if let Some((channel, _)) = self.open.take() {
            let _ = answered(channel.close(200, "bye".into())).await;
        }
    }
}

impl StreamOffset {
    fn as_argument(self) -> AMQPValue {
        match self {
            Self::Last => AMQPValue::LongString("last".into()),
            Self::At(time) => AMQPValue::Timestamp(u64::try_from(time.timestamp()).unwrap_or(0)),
            Self::Number(number) => AMQPValue::LongLongInt(i64::try_from(number).unwrap_or(i64::MAX)),
        }
    }
}

/// The newest message of a stream; `None` where it has none.
///
/// # Errors
/// Where the stream is not there or may not be read.
pub async fn newest_in(link: &Link, stream: &str) -> Result<Option<Past>, BrokerError> {
    let mut reader = StreamReader::new(link.clone(), stream, StreamOffset::Last);
    let mut newest = None;
    // The group comes in one piece. Where messages keep coming, all of the group has come long before the limit.
    let limit = Instant::now() + FIRST + QUIET;
    while Instant::now() < limit {
        let wait = if newest.is_some() { QUIET } else { FIRST };
        match tokio::time::timeout(wait, reader.next()).await {
            Ok(past) => newest = Some(past?),
            Err(_) => break,
        }
    }
    reader.close().await;
    Ok(newest)
}

/// The oldest message of a stream that has one.
///
/// # Errors
/// Where the stream is not there or may not be read, or sends nothing.
pub async fn oldest_in(link: &Link, stream: &str) -> Result<Past, BrokerError> {
    let mut reader = StreamReader::new(link.clone(), stream, StreamOffset::Number(0));
    let oldest = tokio::time::timeout(PATIENCE, reader.next()).await;
    reader.close().await;
    oldest.map_err(|_| BrokerError::Timeout(PATIENCE))?
}

fn number_of(delivery: &Delivery) -> Option<u64> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get("x-stream-offset")? {
        AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}
