//! The trace context of a message.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::EnvelopeError;

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
