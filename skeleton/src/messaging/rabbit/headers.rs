//! The headers of a delivery: every AMQP type as text, for reading the envelope and for storage.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat};
use lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue, FieldTable, ShortString},
};
use serde_json::Value;

use crate::store::{EXACT, keepable};

/// The suffix of the name of a header without a value.
const VOID: &str = ";void";

/// The headers of a delivery. Converted to text only for the few messages that are set aside.
#[derive(Clone, Debug, Default)]
pub struct Headers(pub(super) BasicProperties);

impl Headers {
    /// All headers as text. If a value is not text, or not text that a store can keep, `<name>;base64` has the exact
    /// bytes beside the readable form.
    pub fn to_text(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (name, value) in self.table() {
            let name = keepable(name, usize::MAX);
            let Some(text) = text_of(value) else {
                texts.insert(format!("{name}{VOID}"), String::new());
                continue;
            };
            let kept = keepable(&text, usize::MAX);
            if let Some(bytes) = bytes_of(value).filter(|bytes| *bytes != kept.as_bytes()) {
                texts.insert(format!("{name}{EXACT}"), STANDARD.encode(bytes));
            }
            texts.insert(name.into_owned(), kept.into_owned());
        }
        texts
    }

    /// The message's time to live, as set by the sender. It is a duration, so clocks need not agree.
    pub(crate) fn time_to_live(&self) -> Option<Duration> {
        self.0.expiration().as_ref()?.as_str().parse().ok().map(Duration::from_millis)
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.table().filter_map(|(name, value)| Some((name, text_of(value)?)))
    }

    /// Distinguishes the message from others with the same data: its offset in a stream, or the id set by its
    /// publisher.
    pub(super) fn mark(&self) -> Option<String> {
        let offset = self.texts().find(|(name, _)| *name == "x-stream-offset").map(|(_, offset)| offset.into_owned());
        offset.or_else(|| self.0.message_id().as_ref().map(ToString::to_string))
    }

    fn table(&self) -> impl Iterator<Item = (&str, &AMQPValue)> {
        self.0.headers().iter().flat_map(FieldTable::inner).map(|(name, value)| (name.as_str(), value))
    }
}

impl From<BTreeMap<String, String>> for Headers {
    fn from(texts: BTreeMap<String, String>) -> Self {
        let mut table = FieldTable::default();
        for (name, value) in texts {
            table.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        Self(BasicProperties::default().with_headers(table))
    }
}

/// A value as text; `None` if there is none.
fn text_of(value: &AMQPValue) -> Option<Cow<'_, str>> {
    Some(match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()),
        AMQPValue::Timestamp(seconds) => time(*seconds).into(),
        AMQPValue::DecimalValue(decimal) => decimal_text(*decimal).into(),
        AMQPValue::Boolean(value) => value.to_string().into(),
        AMQPValue::ShortShortInt(value) => value.to_string().into(),
        AMQPValue::ShortShortUInt(value) => value.to_string().into(),
        AMQPValue::ShortInt(value) => value.to_string().into(),
        AMQPValue::ShortUInt(value) => value.to_string().into(),
        AMQPValue::LongInt(value) => value.to_string().into(),
        AMQPValue::LongUInt(value) => value.to_string().into(),
        AMQPValue::LongLongInt(value) => value.to_string().into(),
        AMQPValue::Float(value) => value.to_string().into(),
        AMQPValue::Double(value) => value.to_string().into(),
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) => json_of(value, DEEPEST).to_string().into(),
        AMQPValue::Void => return None,
    })
}

/// The bytes of a value that consists of bytes.
fn bytes_of(value: &AMQPValue) -> Option<&[u8]> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes()),
        AMQPValue::ShortString(text) => Some(text.as_str().as_bytes()),
        AMQPValue::ByteArray(bytes) => Some(bytes.as_slice()),
        _ => None,
    }
}

/// The number of levels of lists and tables that are shown.
const DEEPEST: usize = 32;

/// Lists and tables as JSON, down to a number of levels; nested bytes that are not UTF-8 are base64.
fn json_of(value: &AMQPValue, levels: usize) -> Value {
    match value {
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) if levels == 0 => "(nested too deeply)".into(),
        AMQPValue::FieldArray(items) => items.as_slice().iter().map(|item| json_of(item, levels - 1)).collect(),
        AMQPValue::FieldTable(fields) => {
            let field =
                |(name, value): (&ShortString, &AMQPValue)| (name.as_str().to_owned(), json_of(value, levels - 1));
            fields.inner().iter().map(field).collect()
        }
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::LongString(_) | AMQPValue::ByteArray(_) => {
            let bytes = bytes_of(value).unwrap_or_default();
            std::str::from_utf8(bytes).map_or_else(|_| STANDARD.encode(bytes), str::to_owned).into()
        }
        other => text_of(other).map_or(Value::Null, |text| text.into_owned().into()),
    }
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.map_or_else(|| seconds.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A decimal number consists of a whole number and the number of its decimal places.
fn decimal_text(decimal: DecimalValue) -> String {
    let scale = usize::from(decimal.scale);
    let digits = format!("{:0>width$}", decimal.value, width = scale + 1);
    match digits.split_at(digits.len() - scale) {
        (whole, "") => whole.to_owned(),
        (whole, rest) => format!("{whole}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use events::EnvelopeError;
    use lapin::types::{ByteArray, FieldArray};

    use super::*;
    use crate::store::envelope_in;

    #[test]
    fn a_value_of_every_type_is_kept_and_readable() {
        let mut nested = FieldTable::default();
        nested.insert("when".into(), AMQPValue::Timestamp(1_793_525_400));
        nested.insert("bytes".into(), AMQPValue::ByteArray(ByteArray::from(vec![0xff, 0])));
        let list: FieldArray = vec![AMQPValue::Boolean(true), AMQPValue::FieldTable(nested), AMQPValue::Void].into();
        let values = [
            ("when", AMQPValue::Timestamp(1_793_525_400)),
            ("never", AMQPValue::Timestamp(u64::MAX)),
            ("bytes", AMQPValue::ByteArray(ByteArray::from(vec![b'a', 0, 0xff]))),
            ("text\0", AMQPValue::LongString("a\0b".into())),
            ("plain", AMQPValue::LongString("Zoë".into())),
            ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 5 })),
            ("float", AMQPValue::Float(1.5)),
            ("double", AMQPValue::Double(3.0)),
            ("list", AMQPValue::FieldArray(list)),
            ("void", AMQPValue::Void),
        ];
        let mut table = FieldTable::default();
        for (name, value) in values {
            table.insert(name.into(), value);
        }

        let kept = Headers(BasicProperties::default().with_headers(table)).to_text();

        let expected = [
            ("when", "2026-11-01T09:30:00Z"),
            ("never", "18446744073709551615"),
            ("bytes", "a\u{2400}\u{fffd}"),
            ("bytes;base64", "YQD/"),
            ("text\u{2400}", "a\u{2400}b"),
            ("text\u{2400};base64", "YQBi"),
            ("plain", "Zoë"),
            ("decimal", "0.05"),
            ("float", "1.5"),
            ("double", "3"),
            ("list", r#"[true,{"bytes":"/wA=","when":"2026-11-01T09:30:00Z"},null]"#),
            ("void;void", ""),
        ];
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn an_envelope_that_was_refused_is_refused_again_after_it_was_kept() {
        let mut table = FieldTable::default();
        for (name, text) in [("specversion", "1.0"), ("id", "1"), ("type", "a.b.v1"), ("source", "/a")] {
            table.insert(format!("cloudEvents:{name}").into(), AMQPValue::LongString(text.into()));
        }
        table.insert("cloudEvents:time".into(), AMQPValue::Timestamp(1_793_525_400));
        let readable = Headers(BasicProperties::default().with_headers(table.clone())).to_text();
        table.insert("cloudEvents:subject".into(), AMQPValue::LongString("a\0b".into()));
        let refused = Headers(BasicProperties::default().with_headers(table)).to_text();

        assert!(envelope_in(&readable).is_ok());
        assert!(matches!(envelope_in(&refused), Err(EnvelopeError::Malformed("subject", _))));
    }
}
