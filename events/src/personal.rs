//! Personal data: fields marked with `x-personal-data` are hidden from operators.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    catalogue::find,
    fields::{Fields, field_in, fields_of},
};

/// The placeholder for personal data.
pub const MASK: &str = "•••";

/// Masks everything in a message's data that its schema marks as personal or does not name.
///
/// If this build does not know the message, only lists and objects remain visible.
pub fn masked(name: &str, data: &Value) -> Value {
    mask(data, "", &known_fields(name))
}

/// Returns the fields that a message's schema names; empty if the message is unknown.
fn known_fields(name: &str) -> Arc<Fields> {
    static KNOWN: LazyLock<Mutex<HashMap<&'static str, Arc<Fields>>>> = LazyLock::new(Mutex::default);
    let Some(entry) = find(name) else { return Arc::default() };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(entry.name).or_insert_with(|| Arc::new(fields_of(entry))).clone()
}

fn mask(value: &Value, path: &str, fields: &Fields) -> Value {
    match value {
        Value::Object(inner) => inner.iter().map(|(field, value)| masked_field(field, value, path, fields)).collect(),
        Value::Array(items) => items.iter().map(|item| mask(item, &format!("{path}/*"), fields)).collect(),
        Value::Null | Value::Bool(_) => value.clone(),
        _ if fields.get(path) == Some(&false) && !has_parts(fields, path) => value.clone(),
        _ => MASK.into(),
    }
}

/// Whether the schema expects an object or a list here: a text in its place may contain the data of its parts.
fn has_parts(fields: &Fields, path: &str) -> bool {
    let prefix = format!("{path}/");
    fields.range(prefix.clone()..).next().is_some_and(|(field, _)| field.starts_with(&prefix))
}

/// Masks a field. A name that the schema does not know may be personal data, as a value may.
fn masked_field(field: &str, value: &Value, path: &str, fields: &Fields) -> (String, Value) {
    let named = field_in(path, field);
    if fields.contains_key(&named) {
        (field.to_owned(), mask(value, &named, fields))
    } else {
        (MASK.into(), MASK.into())
    }
}
