//! Whether a message fits into the frames of the protocol.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::login::SENT_FRAME_BYTES;
use crate::messaging::Outgoing;

/// The maximum length of a name in AMQP, such as a routing key.
const MAX_NAME: usize = 255;

/// The maximum size of a message's headers: one frame, less 1 kB for the other properties.
const MAX_HEADERS: usize = SENT_FRAME_BYTES as usize - 1024;

/// The bytes of a header beside its name and its text: the lengths of both, and a type.
const HEADER_OVERHEAD: usize = 6;

/// Checks the names of a message: lapin panics because of one that is longer than the protocol allows.
pub(super) fn names_fit(message: &Outgoing) -> Result<(), String> {
    for (what, name) in [("exchange", &message.exchange), ("routing key", &message.routing_key)] {
        if name.len() > MAX_NAME {
            return Err(format!("the {what} has {} bytes, and at most {MAX_NAME} are allowed", name.len()));
        }
    }
    Ok(())
}

/// Checks the size of all headers, which travel in one frame: the broker closes the connection because of a larger one.
pub(super) fn headers_fit(properties: &BasicProperties) -> Result<(), String> {
    // All headers of an envelope are texts.
    let size = |(name, value): (&ShortString, &AMQPValue)| match value {
        AMQPValue::LongString(text) => HEADER_OVERHEAD + name.as_str().len() + text.as_bytes().len(),
        _ => HEADER_OVERHEAD + name.as_str().len(),
    };
    let bytes: usize = properties.headers().iter().flat_map(FieldTable::inner).map(size).sum();
    if bytes > MAX_HEADERS {
        return Err(format!("the headers have {bytes} bytes, and at most {MAX_HEADERS} are allowed"));
    }
    Ok(())
}
