//! The forms of attributes.

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::{EnvelopeError, MAX_ATTRIBUTE, MAX_SEQUENCE, MAX_SUBJECT};

pub(super) fn subject_in(text: &str) -> Result<&str, EnvelopeError> {
    match text.len() {
        0..=MAX_SUBJECT => plain(text, "subject"),
        _ => Err(EnvelopeError::Malformed("subject", "at most 1024 bytes")),
    }
}

/// Accepts text as CloudEvents allows it, without control characters, and short enough for a store's index.
pub(super) fn plain<'a>(text: &'a str, name: &'static str) -> Result<&'a str, EnvelopeError> {
    if text.len() > MAX_ATTRIBUTE {
        return Err(EnvelopeError::TooLong(name));
    }
    if text.chars().any(char::is_control) {
        return Err(EnvelopeError::Malformed(name, "text without control characters"));
    }
    Ok(text)
}

pub(super) fn not_empty<'a>(text: &'a str, name: &'static str) -> Result<&'a str, EnvelopeError> {
    if text.is_empty() { Err(EnvelopeError::Malformed(name, "text that is not empty")) } else { Ok(text) }
}

/// Reads the id of another message in the chain.
pub(super) fn chain_id(text: Option<&str>, name: &'static str) -> Result<Option<Uuid>, EnvelopeError> {
    let read = |text| {
        let text = not_empty(plain(text, name)?, name)?;
        Ok(uuid_of(text).unwrap_or_else(|| derived(text)))
    };
    text.map(read).transpose()
}

/// Reads a UUID in its form with hyphens. The library's other forms (`urn:uuid:`, braces, no hyphens) are longer or
/// shorter; other languages do not read all of them.
pub(super) fn uuid_of(text: &str) -> Option<Uuid> {
    if text.len() == 36 { text.parse().ok() } else { None }
}

/// The UUID of an id that is another text. Attributes contain no control characters, so joined text is unambiguous.
pub(super) fn derived(text: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes())
}

/// Sequences start at 1: a smaller one would look like an event that was handled before. They count the events of one
/// subject, so a larger one than this is a mistake; stores have room above it for versions of their own.
pub(super) fn sequence_in(text: Option<&str>) -> Result<Option<i64>, EnvelopeError> {
    let form = "a whole number from 1 to 1099511627776";
    match parsed(text, "sequence", form)? {
        Some(number) if !(1..=MAX_SEQUENCE).contains(&number) => Err(EnvelopeError::Malformed("sequence", form)),
        sequence => Ok(sequence),
    }
}

pub(super) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Parses RFC 3339, or whole milliseconds since 1970. The latter is how the binding's own time type appears in AMQP
/// 0.9.1, and what the Python SDK writes.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, EnvelopeError> {
    let milliseconds = text.parse().ok().and_then(DateTime::from_timestamp_millis);
    let read = milliseconds.or_else(|| text.parse().ok());
    read.ok_or(EnvelopeError::Malformed("time", "a timestamp of RFC 3339"))
}

pub(super) fn parsed<T: FromStr>(
    text: Option<&str>,
    name: &'static str,
    form: &'static str,
) -> Result<Option<T>, EnvelopeError> {
    text.map(|text| text.parse().map_err(|_| EnvelopeError::Malformed(name, form))).transpose()
}
