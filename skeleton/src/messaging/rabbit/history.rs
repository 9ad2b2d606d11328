//! A reader of a stream, from a given offset.

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

use super::{BrokerError, Link, TIMEOUT, answered, incoming, partitions::waiting_in};
use crate::messaging::Incoming;

/// The maximum number of unacknowledged messages.
const PREFETCH: u16 = 500;

/// The wait after a failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Stored messages arrive at once. If nothing more arrives for this long, the stream has no more.
const QUIET: Duration = Duration::from_millis(500);

/// The same before the first message: the broker may have to open the stream first.
const FIRST: Duration = Duration::from_secs(2);

/// How long to wait for the first message of a stream that has messages.
const LONGEST_FIRST: Duration = Duration::from_secs(60);

/// An offset in a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StreamOffset {
    /// The last messages that were written as one chunk.
    Last,
    /// Messages written at this time, possibly after a few earlier ones.
    At(DateTime<Utc>),
    /// The message with this number.
    Number(u64),
}

/// A past message.
pub struct Past {
    /// Its number in the stream.
    pub number: u64,
    /// The message.
    pub message: Incoming,
}

/// Reads one stream, over successive connections. Each message arrives once, in the stream's order.
pub struct StreamReader {
    link: Link,
    stream: String,
    place: StreamOffset,
    open: Option<(Channel, Consumer)>,
    was_open: bool,
    unacknowledged: u16,
}

impl StreamReader {
    /// A reader that begins at this offset.
    pub fn new(link: Link, stream: impl Into<String>, place: StreamOffset) -> Self {
        Self { link, stream: stream.into(), place, open: None, was_open: false, unacknowledged: 0 }
    }

    /// Waits for the next message. Not cancel safe: if the future is dropped, a message may be skipped.
    ///
    /// # Errors
    /// If the stream does not exist or may not be read.
    pub async fn next(&mut self) -> Result<Past, BrokerError> {
        loop {
            let delivery = self.delivery().await?;
            let Some(number) = number_of(&delivery) else {
                return Err(BrokerError::NotAStream(self.stream.clone()));
            };
            // An offset selects the nearest chunk of messages: those before the number are skipped.
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
                    warn!(stream = self.stream, "reading a stream was interrupted; resuming");
                    self.open = None;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Opens the stream. Without this, [`Self::next`] does, and waits as long as the connection takes.
    ///
    /// # Errors
    /// If the connection has failed, the stream does not exist or may not be read, or the broker does not respond.
    async fn begin(&mut self) -> Result<(), BrokerError> {
        let link = self.link.clone();
        let opening = async {
            link.first_attempt().await?;
            self.try_open().await
        };
        let opened = tokio::time::timeout(TIMEOUT, opening).await.map_err(|_| BrokerError::Timeout(TIMEOUT))??;
        self.open = Some(opened);
        Ok(())
    }

    async fn try_open(&mut self) -> Result<(Channel, Consumer), BrokerError> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-stream-offset".into(), self.place.as_argument());
        let options = BasicConsumeOptions::default();
        let open = self.link.consume(&self.stream, PREFETCH, options, arguments, TIMEOUT).await?;
        (self.was_open, self.unacknowledged) = (true, 0);
        Ok(open)
    }

    /// Grants the broker credit to send more: an acknowledgement removes nothing from a stream.
    async fn grant(&mut self, tag: u64) {
        self.unacknowledged += 1;
        if self.unacknowledged < PREFETCH / 4 {
            return;
        }
        if let Some((channel, _)) = &self.open {
            // If the channel is lost, the next read notices.
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

/// The newest message of a stream; `None` if it has none.
///
/// # Errors
/// If the stream does not exist or may not be read.
pub async fn newest_in(link: &Link, stream: &str) -> Result<Option<Past>, BrokerError> {
    let mut reader = StreamReader::new(link.clone(), stream, StreamOffset::Last);
    reader.begin().await?;
    // An empty stream sends nothing. A busy broker may take long to send the first message of another.
    let has_messages = waiting_in(link, stream).await?.is_some_and(|count| count > 0);
    let first = if has_messages { LONGEST_FIRST } else { FIRST };
    let mut newest = None;
    // The chunk arrives as a whole. If messages keep arriving, all of the chunk is there long before the limit.
    let limit = Instant::now() + first + QUIET;
    while Instant::now() < limit {
        let wait = if newest.is_some() { QUIET } else { first };
        match tokio::time::timeout(wait, reader.next()).await {
            Ok(past) => newest = Some(past?),
            Err(_) if has_messages && newest.is_none() => return Err(BrokerError::Timeout(first)),
            Err(_) => break,
        }
    }
    reader.close().await;
    Ok(newest)
}

/// The oldest message of a stream that has one.
///
/// # Errors
/// If the stream does not exist, may not be read, or sends nothing.
pub async fn oldest_in(link: &Link, stream: &str) -> Result<Past, BrokerError> {
    let mut reader = StreamReader::new(link.clone(), stream, StreamOffset::Number(0));
    let oldest = tokio::time::timeout(TIMEOUT, reader.next()).await;
    reader.close().await;
    oldest.map_err(|_| BrokerError::Timeout(TIMEOUT))?
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
