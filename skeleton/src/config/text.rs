//! Reads a setting as the type of its field.
//!
//! A variable and a secret file hold text. Its meaning depends on the field: `0042` is a password of four digits or the
//! number 42. The library `config` guesses the type before it knows the field, so it is not used here.

use std::{
    fmt::{self, Display},
    str::FromStr,
};

use config::{Config, File, FileFormat, Value, ValueKind};
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor,
    value::{SeqDeserializer, StrDeserializer},
};

/// Why a section cannot be read.
#[derive(Debug)]
pub(super) struct Wrong {
    /// The setting whose value is wrong. `None` if the section has an unknown key or lacks one.
    pub setting: Option<String>,
    why: String,
}

impl Wrong {
    fn of(self, setting: String) -> Self {
        Self { setting: self.setting.or(Some(setting)), ..self }
    }
}

impl Error for Wrong {
    fn custom<T: Display>(why: T) -> Self {
        Self { setting: None, why: why.to_string() }
    }
}

impl Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.why)
    }
}

impl std::error::Error for Wrong {}

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

/// Passes numbers, booleans and lists that are not text to `config`.
macro_rules! by_type {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match self.text() {
                Some(text) => text.$method(visitor),
                None => self.value.clone().$method(visitor).map_err(Wrong::custom),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Setting<'_> {
    type Error = Wrong;

    by_type! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_seq deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match &self.value.kind {
            ValueKind::Table(_) => self.deserialize_map(visitor),
            ValueKind::String(text) => visitor.visit_str(text),
            _ => self.value.clone().deserialize_any(visitor).map_err(Wrong::custom),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value.kind {
            ValueKind::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let ValueKind::Table(keys) = &self.value.kind else {
            return Err(Wrong::custom("expected a section: set its keys one by one"));
        };
        // In a fixed order, so that the first wrong key is always the same.
        let mut left: Vec<_> = keys.iter().collect();
        left.sort_by(|one, other| other.0.cmp(one.0));
        visitor.visit_map(Keys { section: self.name, left, next: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.value.clone().deserialize_enum(name, variants, visitor).map_err(Wrong::custom)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    serde::forward_to_deserialize_any! { unit unit_struct ignored_any }
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

/// A text and the name of the setting that holds it.
#[derive(Clone)]
struct Text<'a> {
    name: String,
    text: &'a str,
}

impl Text<'_> {
    fn expected(&self, form: impl Display) -> Wrong {
        let shown = super::masking::shown_text(&self.name, self.text);
        Wrong::custom(format!("expected {form}, got `{shown}`"))
    }

    fn number<T: FromStr>(&self, form: &str) -> Result<T, Wrong> {
        self.text.trim().parse().map_err(|_| self.expected(form))
    }

    fn truth(&self) -> Result<bool, Wrong> {
        match self.text.trim().to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    /// A list in brackets is TOML. Its elements keep their whitespace.
    fn in_brackets(&self) -> Result<Value, Wrong> {
        let file = File::from_str(&format!("list = {}", self.text.trim()), FileFormat::Toml);
        let read = Config::builder().add_source(file).build().and_then(|read| read.get("list"));
        read.map_err(|_| self.expected("a list such as [1, 2] or [\"one\", \"two\"]"))
    }
}

/// Integers and floating-point numbers.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $form:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            let number: $type = self.number($form)?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = Wrong;

    numbers! {
        deserialize_i8 visit_i8 i8, "a whole number from -128 to 127";
        deserialize_i16 visit_i16 i16, "a whole number from -32768 to 32767";
        deserialize_i32 visit_i32 i32, "a whole number of 32 bits";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a whole number from 0 to 4294967295";
        deserialize_u64 visit_u64 u64, "a whole number, 0 or more";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.text)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_bool(self.truth()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    /// In brackets, or separated by commas. A blank text is the empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.text.trim().starts_with('[') {
            return self.in_brackets()?.deserialize_seq(visitor).map_err(Wrong::custom);
        }
        let elements = self.text.split(',').map(str::trim);
        let empty = self.text.trim().is_empty();
        let elements = elements.filter(|_| !empty).map(|text| Text { name: self.name.clone(), text });
        visitor.visit_seq(SeqDeserializer::new(elements))
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Text<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
