//! RabbitMQ, through lapin.
//!
//! lapin's own recovery gives up silently, so a [`Link`] owns the connection and builds a new one for as long as it
//! takes. A process has two links, one that publishes and one that consumes: an alarm of the broker stops whatever
//! is on the connection that publishes, and acknowledgements must go on.

mod deliveries;
mod link;
mod publisher;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use events::Envelope;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use super::{Incoming, Outgoing};

pub use deliveries::RabbitDeliveries;
pub use link::{Link, Login};
pub use publisher::RabbitPublisher;
pub(crate) use publisher::send;

/// How long the broker may take to answer anything but a confirm.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// The form of every body.
pub(crate) const JSON: &str = "application/json";

/// Waits for the broker's answer, but not for ever: lapin's futures may never end once a connection is lost.
pub(crate) async fn answered<T>(asked: impl Future<Output = lapin::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the broker did not answer within {} s", PATIENCE.as_secs())),
    }
}

/// What a message of ours carries beside its data.
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

/// What a message of ours carries that must outlive the broker.
fn lasting(message: &Outgoing, user: &str) -> BasicProperties {
    properties(&message.envelope, user).with_delivery_mode(2)
}

/// Reads a delivery.
pub(crate) fn incoming(delivery: Delivery) -> Incoming {
    let properties = &delivery.properties;
    let headers = properties.headers().as_ref().map(text_headers).unwrap_or_default();
    let envelope = Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let id = match &envelope {
        Ok(envelope) => envelope.id,
        Err(_) => text(properties.message_id())
            .and_then(|id| id.parse().ok())
            .unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, &delivery.data)),
    };
    Incoming {
        tag: delivery.delivery_tag,
        id,
        envelope,
        deliveries_before: headers.get("x-delivery-count").and_then(|count| count.parse().ok()).unwrap_or(0),
        headers,
        user: text(properties.user_id()),
        reply_to: text(properties.reply_to()),
        body: Bytes::from(delivery.data),
    }
}

/// Headers that are text or numbers, as text; others are no business of ours.
fn text_headers(headers: &FieldTable) -> BTreeMap<String, String> {
    headers.inner().iter().filter_map(|(name, value)| Some((name.to_string(), header_text(value)?))).collect()
}

fn header_text(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::ShortShortInt(value) => value.to_string(),
        AMQPValue::ShortShortUInt(value) => value.to_string(),
        AMQPValue::ShortInt(value) => value.to_string(),
        AMQPValue::ShortUInt(value) => value.to_string(),
        AMQPValue::LongInt(value) => value.to_string(),
        AMQPValue::LongUInt(value) => value.to_string(),
        AMQPValue::LongLongInt(value) => value.to_string(),
        _ => return None,
    })
}
