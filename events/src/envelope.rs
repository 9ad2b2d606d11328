//! The envelope: CloudEvents 1.0 attributes as AMQP headers (CloudEvents AMQP binding, binary mode).

use std::{collections::BTreeMap, fmt, str::FromStr};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The prefix of each attribute's header name.
const PREFIX: &str = "cloudEvents:";

/// The maximum length of a subject in bytes. A subject is a header, so it must fit into a broker frame with the other
/// headers, and it is a key in the stores' indexes.
pub const MAX_SUBJECT: usize = 1024;
/// The maximum length of type, source, subject and id in bytes. Postgres indexes keys of up to 2.7 kB.
pub const MAX_ATTRIBUTE: usize = 2048;

/// The metadata of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Identifies the message; a repeat of the message has the same id.
    pub id: Uuid,
    /// The message's full name, `contacts.contact-added.v1`.
    pub name: String,
    /// The sender, `/contacts`.
    pub source: String,
    /// The time at which it was written.
    pub time: DateTime<Utc>,
    /// The thing that it is about.
    pub subject: Option<String>,
    /// The number among the messages of its subject, from 1; assigned in the transaction that wrote the message.
    pub sequence: Option<i64>,
    /// W3C trace context: the trace and span in which it was sent.
    pub trace: Option<TraceParent>,
    /// The first message of the chain that this one belongs to.
    pub correlation_id: Option<Uuid>,
    /// The message whose handling sent this one.
    pub causation_id: Option<Uuid>,
    /// The account on whose behalf it was sent.
    pub actor: Option<Uuid>,
    /// The time after which the caller stops waiting, by the caller's clock. Informational: the effective limit is the
    /// relative one in the AMQP property `expiration`.
    pub deadline: Option<DateTime<Utc>>,
}

/// The reason why headers are not a valid envelope.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum EnvelopeError {
    /// A required attribute is missing.
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    /// An attribute is malformed.
    #[error("the attribute {0} cannot be read: it should be {1}")]
    Malformed(&'static str, &'static str),
    /// An attribute is too long for a store's index.
    #[error("the attribute {0} is too long: the limit is {MAX_ATTRIBUTE} bytes")]
    TooLong(&'static str),
    /// The message uses another version of CloudEvents.
    #[error("the message is not CloudEvents 1.0")]
    SpecVersion,
}

impl Envelope {
    /// Returns the envelope as headers.
    pub fn to_headers(&self) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                headers.insert(format!("{PREFIX}{name}"), value);
            }
        };
        put("specversion", Some("1.0".to_owned()));
        put("id", Some(self.id.to_string()));
        put("type", Some(self.name.clone()));
        put("source", Some(self.source.clone()));
        put("time", Some(timestamp(self.time)));
        put("subject", self.subject.clone());
        // The sequence extension of CloudEvents is text; Kith uses a number without leading zeros.
        put("sequence", self.sequence.map(|sequence| sequence.to_string()));
        put("traceparent", self.trace.map(|trace| trace.to_string()));
        put("correlationid", self.correlation_id.map(|id| id.to_string()));
        put("causationid", self.causation_id.map(|id| id.to_string()));
        put("actor", self.actor.map(|id| id.to_string()));
        put("deadline", self.deadline.map(timestamp));
        headers
    }

    /// Reads the headers of a message. `cloudEvents_id` is read as well as `cloudEvents:id`: the binding allows both.
    ///
    /// CloudEvents allows any text as an id, unique together with the source. An id that is not a UUID is mapped to one
    /// (version 5, of source and id): the same message always gets the same UUID. The ids of a chain, which have no
    /// source, are mapped by their text alone. The clients in other languages map in the same way
    /// (`events/tests/vectors/ids.json`).
    ///
    /// # Errors
    /// Returns an error if a required attribute is missing, or if an attribute is malformed or too long.
    pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, EnvelopeError> {
        let found: Vec<(&str, &str)> = headers
            .into_iter()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix(PREFIX).or_else(|| name.strip_prefix("cloudEvents_"))?;
                Some((name, value))
            })
            .collect();
        let text = |name: &str| found.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        if text("specversion").ok_or(EnvelopeError::Missing("specversion"))? != "1.0" {
            return Err(EnvelopeError::SpecVersion);
        }
        let required = |name| plain(text(name).ok_or(EnvelopeError::Missing(name))?, name);
        let (id, source) = (not_empty(required("id")?, "id")?, required("source")?);
        Ok(Self {
            id: uuid_of(id).unwrap_or_else(|| derived(&format!("{source}\n{id}"))),
            name: required("type")?.to_owned(),
            source: source.to_owned(),
            time: moment(text("time").ok_or(EnvelopeError::Missing("time"))?)?,
            subject: text("subject").map(subject_in).transpose()?.map(str::to_owned),
            sequence: sequence_in(text("sequence"))?,
            trace: parsed(text("traceparent"), "traceparent", "a W3C traceparent")?,
            correlation_id: chain_id(text("correlationid"), "correlationid")?,
            causation_id: chain_id(text("causationid"), "causationid")?,
            actor: text("actor")
                .map(|text| uuid_of(text).ok_or(EnvelopeError::Malformed("actor", "a UUID")))
                .transpose()?,
            deadline: parsed(text("deadline"), "deadline", "a timestamp of RFC 3339")?,
        })
    }
}

fn subject_in(text: &str) -> Result<&str, EnvelopeError> {
    match text.len() {
        0..=MAX_SUBJECT => plain(text, "subject"),
        _ => Err(EnvelopeError::Malformed("subject", "at most 1024 bytes")),
    }
}

/// Accepts text as CloudEvents allows it, without control characters, and short enough for a store's index.
fn plain<'a>(text: &'a str, name: &'static str) -> Result<&'a str, EnvelopeError> {
    if text.len() > MAX_ATTRIBUTE {
        return Err(EnvelopeError::TooLong(name));
    }
    if text.chars().any(char::is_control) {
        return Err(EnvelopeError::Malformed(name, "text without control characters"));
    }
    Ok(text)
}

fn not_empty<'a>(text: &'a str, name: &'static str) -> Result<&'a str, EnvelopeError> {
    if text.is_empty() { Err(EnvelopeError::Malformed(name, "text that is not empty")) } else { Ok(text) }
}

/// Reads the id of another message in the chain.
fn chain_id(text: Option<&str>, name: &'static str) -> Result<Option<Uuid>, EnvelopeError> {
    let read = |text| {
        let text = not_empty(plain(text, name)?, name)?;
        Ok(uuid_of(text).unwrap_or_else(|| derived(text)))
    };
    text.map(read).transpose()
}

/// Reads a UUID in its form with hyphens. The library's other forms (`urn:uuid:`, braces, no hyphens) are longer or
/// shorter; other languages do not read all of them.
fn uuid_of(text: &str) -> Option<Uuid> {
    if text.len() == 36 { text.parse().ok() } else { None }
}

/// The UUID of an id that is another text. Attributes contain no control characters, so joined text is unambiguous.
fn derived(text: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes())
}

/// Sequences start at 1: a smaller one would look like an event that was handled before.
fn sequence_in(text: Option<&str>) -> Result<Option<i64>, EnvelopeError> {
    let form = "a whole number from 1 to 9223372036854775807";
    match parsed(text, "sequence", form)? {
        Some(number) if number < 1 => Err(EnvelopeError::Malformed("sequence", form)),
        sequence => Ok(sequence),
    }
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Parses RFC 3339, or whole milliseconds since 1970. The latter is how the binding's own time type appears in AMQP
/// 0.9.1, and what the Python SDK writes.
fn moment(text: &str) -> Result<DateTime<Utc>, EnvelopeError> {
    let milliseconds = text.parse().ok().and_then(DateTime::from_timestamp_millis);
    let read = milliseconds.or_else(|| text.parse().ok());
    read.ok_or(EnvelopeError::Malformed("time", "a timestamp of RFC 3339"))
}

fn parsed<T: FromStr>(text: Option<&str>, name: &'static str, form: &'static str) -> Result<Option<T>, EnvelopeError> {
    text.map(|text| text.parse().map_err(|_| EnvelopeError::Malformed(name, form))).transpose()
}

/// A position in a trace (W3C Trace Context, version 00).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    /// The trace.
    pub trace_id: u128,
    /// The span within the trace.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceParent {
    /// Returns the trace id as in logs and HTTP headers: 32 hexadecimal digits.
    pub fn trace_id_text(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl FromStr for TraceParent {
    type Err = EnvelopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = EnvelopeError::Malformed("traceparent", "a W3C traceparent");
        let parts: Vec<&str> = text.split('-').collect();
        let [version, trace_id, span_id, flags] = parts[..] else { return Err(malformed) };
        // `from_str_radix` alone would accept a sign and uppercase letters.
        let hex = |text: &str, digits: usize| {
            let is_hex = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
        };
        let read = (hex(version, 2), hex(trace_id, 32), hex(span_id, 16), hex(flags, 2));
        let (Some(0..=0xfe), Some(trace_id @ 1..), Some(span_id @ 1..), Some(flags)) = read else {
            return Err(malformed);
        };
        // 16 hexadecimal digits fit.
        Ok(Self { trace_id, span_id: span_id as u64, sampled: flags & 1 == 1 })
    }
}

impl TryFrom<String> for TraceParent {
    type Error = EnvelopeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(trace: TraceParent) -> Self {
        trace.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            id: Uuid::from_u128(7),
            name: "contacts.contact-added.v1".to_owned(),
            source: "/contacts".to_owned(),
            time: "2026-11-01T09:30:00.000001Z".parse().unwrap(),
            subject: Some("s".to_owned()),
            sequence: Some(3),
            trace: Some(TraceParent { trace_id: 1, span_id: 2, sampled: true }),
            correlation_id: Some(Uuid::from_u128(8)),
            causation_id: None,
            actor: None,
            deadline: None,
        }
    }

    #[test]
    fn headers_carry_the_whole_envelope() {
        let headers = envelope().to_headers();

        let read = Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));

        assert_eq!(read, Ok(envelope()));
        assert_eq!(headers["cloudEvents:traceparent"], "00-00000000000000000000000000000001-0000000000000002-01");
    }

    #[test]
    fn a_traceparent_that_is_not_in_its_form_is_refused() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let zeros = "0".repeat(32);
        let wrong = [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{zeros}-{span}-01"),
            format!("00-{trace}-{}-01", &zeros[..16]),
            format!("00-+{}-{span}-01", &trace[1..]),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("xx-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-more"),
        ];

        let read: Vec<_> = wrong.iter().filter(|text| text.parse::<TraceParent>().is_ok()).collect();

        assert!(read.is_empty(), "{read:?}");
        assert!(format!("00-{trace}-{span}-01").parse::<TraceParent>().is_ok());
    }

    #[test]
    fn a_time_in_milliseconds_is_read_as_well() {
        let mut headers = envelope().to_headers();
        headers.insert("cloudEvents:time".to_owned(), "1793525400000".to_owned());

        let read = Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));

        assert_eq!(read.unwrap().time.to_rfc3339(), "2026-11-01T09:30:00+00:00");
    }

    #[test]
    fn a_subject_that_no_index_takes_is_not_read() {
        let mut headers = envelope().to_headers();
        let read = |headers: &BTreeMap<String, String>| {
            Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        };

        headers.insert("cloudEvents:subject".to_owned(), "s".repeat(MAX_SUBJECT));
        assert_eq!(read(&headers).unwrap().subject.unwrap().len(), MAX_SUBJECT);
        headers.insert("cloudEvents:subject".to_owned(), "s".repeat(MAX_SUBJECT + 1));
        assert_eq!(read(&headers), Err(EnvelopeError::Malformed("subject", "at most 1024 bytes")));
    }

    #[test]
    fn a_missing_or_malformed_attribute_is_named() {
        let mut headers = envelope().to_headers();
        headers.insert("cloudEvents:sequence".to_owned(), "three".to_owned());
        let read = |headers: &BTreeMap<String, String>| {
            Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        };

        for sequence in ["three", "0", "-1", "1.5", "9223372036854775808"] {
            headers.insert("cloudEvents:sequence".to_owned(), sequence.to_owned());
            let form = "a whole number from 1 to 9223372036854775807";
            assert_eq!(read(&headers), Err(EnvelopeError::Malformed("sequence", form)), "{sequence}");
        }
        headers.remove("cloudEvents:id");
        assert_eq!(read(&headers), Err(EnvelopeError::Missing("id")));
    }

    #[test]
    fn an_id_that_is_not_a_uuid_gives_the_same_uuid_each_time_and_another_for_another_source() {
        let read = |id: &str, source: &str| {
            let mut headers = envelope().to_headers();
            headers.insert("cloudEvents:id".to_owned(), id.to_owned());
            headers.insert("cloudEvents:source".to_owned(), source.to_owned());
            Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
                .map(|envelope| envelope.id)
        };

        assert_eq!(read("A234-1234-1234", "/shop"), read("A234-1234-1234", "/shop"));
        assert_ne!(read("A234-1234-1234", "/shop"), read("A234-1234-1234", "/depot"));
        assert_ne!(read("A234-1234-1234", "/shop"), read("A234-1234-1235", "/shop"));
        assert_eq!(read("", "/shop"), Err(EnvelopeError::Malformed("id", "text that is not empty")));
    }

    #[test]
    fn text_that_no_store_can_keep_or_index_is_refused_with_its_attribute() {
        let (long, subject) = (MAX_ATTRIBUTE, EnvelopeError::Malformed("subject", "at most 1024 bytes"));
        let limits = [("id", long), ("type", long), ("source", long), ("subject", MAX_SUBJECT)];
        for (name, most) in limits {
            let too_long = if name == "subject" { subject.clone() } else { EnvelopeError::TooLong(name) };
            let with = |value: String| {
                let mut headers = envelope().to_headers();
                headers.insert(format!("cloudEvents:{name}"), value);
                Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            };

            assert_eq!(with("x".repeat(most + 1)), Err(too_long));
            let malformed = EnvelopeError::Malformed(name, "text without control characters");
            assert_eq!(with("a\0b".to_owned()), Err(malformed));
            assert!(with("x".repeat(most)).is_ok());
        }
    }
}
