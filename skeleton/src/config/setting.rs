//! Reads a setting as the type of its field.
//!
//! A variable and a secret file hold text. Its meaning depends on the field: `0042` is a password of four digits or the
//! number 42. The library `config` guesses the type before it knows the field, so it is not used here.
mod deserialize;

use config::{Value, ValueKind};
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, value::StrDeserializer};

use super::{text::Text, wrong::Wrong};

/// A setting and its name, `retry.waits_ms`.
pub(super) struct Setting<'a> {
    pub name: String,
    pub value: &'a Value,
}

impl<'a> Setting<'a> {
    fn text(&self) -> Option<Text<'a>> {
        match &self.value.kind {
            ValueKind::String(text) => Some(Text { name: self.name.clone(), text }),
            _ => None,
        }
    }
}

/// The unread keys of a section, the next one last.
struct Keys<'a> {
    section: String,
    left: Vec<(&'a String, &'a Value)>,
    next: Option<(&'a String, &'a Value)>,
}

impl<'de> MapAccess<'de> for Keys<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.next = self.left.pop();
        let Some((key, _)) = self.next else { return Ok(None) };
        let key: StrDeserializer<'_, Wrong> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (key, value) = self.next.take().ok_or_else(|| Wrong::custom("a value without a key"))?;
        let name = format!("{}.{key}", self.section);
        seed.deserialize(Setting { name: name.clone(), value }).map_err(|wrong| wrong.of(name))
    }
}
