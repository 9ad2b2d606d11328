//! Deserializes a setting.

use config::ValueKind;
use serde::de::{Deserializer, Error, Visitor};

use super::{Keys, Setting, Wrong};

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
