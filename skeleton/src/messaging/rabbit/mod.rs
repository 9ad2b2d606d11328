//! RabbitMQ, through lapin.
//!
//! lapin's own recovery can stop silently, so a [`Link`] owns the connection and rebuilds it until it works. A process
//! has two links, one that publishes and one that consumes: an alarm of the broker blocks the connection that
//! publishes, and acknowledgements must continue. Requests and replies have a third one. A queue that does not respond
//! is served over further connections.

mod answers;
mod deliveries;
mod error;
mod frames;
mod headers;
mod history;
mod keeper;
mod link;
mod login;
mod partitions;
mod publisher;

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use events::Envelope;
use lapin::{
    BasicProperties, Channel,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use super::{Incoming, Outgoing};

pub use deliveries::RabbitDeliveries;
pub use error::BrokerError;
pub use headers::Headers;
pub use history::{Past, StreamOffset, StreamReader, newest_in, oldest_in};
pub use link::Link;
pub use login::Login;
pub use partitions::{Partition, event_queues, former_event_queues, share, waiting_in};
pub use publisher::RabbitPublisher;
pub(crate) use publisher::{Sender, send};

/// The time limit for the broker's response to anything but a publish.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// The content type of every body.
pub(crate) const JSON: &str = "application/json";

/// Waits for the broker's response with a time limit: lapin's futures may never end once a connection is lost.
pub(crate) async fn answered<T>(asked: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    answered_within(TIMEOUT, asked).await
}

/// The same with another limit.
async fn answered_within<T>(limit: Duration, asked: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    Ok(tokio::time::timeout(limit, asked).await.map_err(|_| BrokerError::Timeout(limit))??)
}

/// How often it is checked whether a channel is still open.
const LOOKS: Duration = Duration::from_secs(5);

/// Waits for a response without a time limit; `None` once the channel is closed. lapin's futures may never end then, and
/// a classic queue whose process does not respond never causes one.
pub(crate) async fn answered_while_open<T>(channel: &Channel, asked: impl Future<Output = T>) -> Option<T> {
    let is_closed = async {
        while channel.status().connected() {
            tokio::time::sleep(LOOKS).await;
        }
    };
    tokio::select! {
        biased;
        answer = asked => Some(answer),
        () = is_closed => None,
    }
}

/// The AMQP properties of a message.
pub(crate) fn properties(envelope: &Envelope, user: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default()
        .with_content_type(JSON.into())
        .with_message_id(envelope.id.to_string().into())
        .with_user_id(user.into())
        .with_headers(headers)
}

/// The AMQP properties of a message that must survive a restart of the broker.
fn lasting(message: &Outgoing, user: &str) -> BasicProperties {
    properties(&message.envelope, user).with_delivery_mode(2)
}

/// Reads a delivery.
pub(crate) fn incoming(delivery: Delivery) -> Incoming {
    let headers = Headers(delivery.properties);
    let properties = &headers.0;
    let texts: Vec<(&str, Cow<str>)> = headers.texts().collect();
    let envelope = Envelope::from_headers(texts.iter().map(|(name, value)| (*name, value.as_ref())));
    let deliveries =
        texts.iter().find(|(name, _)| *name == "x-delivery-count").and_then(|(_, count)| count.parse().ok());
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let id = match &envelope {
        Ok(envelope) => envelope.id,
        Err(_) => id_without_envelope(&headers, &delivery.data),
    };
    Incoming {
        tag: delivery.delivery_tag,
        id,
        envelope,
        deliveries_before: deliveries.unwrap_or(0),
        user: text(properties.user_id()),
        reply_to: text(properties.reply_to()),
        headers,
        body: Bytes::from(delivery.data),
    }
}

/// An id for a message whose envelope cannot be read. It is derived from the offset in a stream, or from the
/// publisher's id and the data. Without either it is random. Then a message that is redelivered, because its
/// acknowledgement was lost, is kept twice, but two messages with the same data are never treated as one.
fn id_without_envelope(headers: &Headers, data: &[u8]) -> Uuid {
    let Some(mark) = headers.mark() else { return Uuid::new_v4() };
    let text = [mark.as_bytes(), b"\n", data].concat();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &text)
}
