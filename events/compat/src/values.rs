//! JSON values: their types, their order, and pattern matching.

use std::{cell::RefCell, collections::HashMap};

use jsonschema::Validator;
use serde_json::{Value, json};

const MOST_PATTERNS: usize = 1000;

/// The types of JSON values; whole numbers are a type of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Whole,
    Fraction,
    Text,
    List,
    Object,
}

pub(crate) const KINDS: [Kind; 7] =
    [Kind::Null, Kind::Boolean, Kind::Whole, Kind::Fraction, Kind::Text, Kind::List, Kind::Object];

impl Kind {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => Self::Whole,
            Value::Number(_) => Self::Fraction,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    pub(crate) fn named(name: &str) -> &'static [Self] {
        match name {
            "null" => &[Self::Null],
            "boolean" => &[Self::Boolean],
            "integer" => &[Self::Whole],
            "number" => &[Self::Whole, Self::Fraction],
            "string" => &[Self::Text],
            "array" => &[Self::List],
            "object" => &[Self::Object],
            _ => &[],
        }
    }

    /// Returns the name of the type in JSON Schema.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Whole => "integer",
            Self::Fraction => "number",
            Self::Text => "string",
            Self::List => "array",
            Self::Object => "object",
        }
    }
}

/// Whether a bound is at least as strict as another.
pub(crate) fn stricter(one: (&Value, bool), other: (&Value, bool), lower: bool) -> bool {
    let order = compare(one.0, other.0);
    let order = if lower { order } else { order.reverse() };
    order.is_gt() || (order.is_eq() && (one.1 || !other.1))
}

/// Compares numbers by value; whole numbers exactly.
pub(crate) fn compare(one: &Value, other: &Value) -> std::cmp::Ordering {
    let exact = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (exact(one), exact(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.as_f64().unwrap_or(f64::NAN).total_cmp(&other.as_f64().unwrap_or(f64::NAN)),
    }
}

/// Compares values for equality as JSON Schema defines it: numbers by value, independent of notation.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => compare(one, other).is_eq(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}

thread_local! {
    /// A cache of compiled patterns, as the same few are tried on many texts.
    static PATTERNS: RefCell<HashMap<String, Option<Validator>>> = RefCell::default();
}

/// Whether a pattern matches a text. Uses the validator, so that both interpret patterns in the same way.
pub(crate) fn fits_pattern(pattern: &str, text: &str) -> Option<bool> {
    PATTERNS.with_borrow_mut(|known| {
        if known.len() > MOST_PATTERNS {
            known.clear();
        }
        let made = || jsonschema::validator_for(&json!({ "pattern": pattern })).ok();
        let validator = known.entry(pattern.to_owned()).or_insert_with(made);
        Some(validator.as_ref()?.is_valid(&Value::String(text.to_owned())))
    })
}
