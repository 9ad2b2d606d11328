//! One change per line, with the result in both directions.

#![allow(clippy::unwrap_used)]

mod breaks;
mod records;
mod values;
mod wholes;

use schema_compat::compare;
use serde_json::{Value, json};

const YES: bool = true;
const NO: bool = false;

/// The change, the schema before and after, then whether it is safe backward and forward.
type Row = (&'static str, Value, Value, bool, bool);

/// Returns a record with one field.
fn field(schema: Value) -> Value {
    json!({"type": "object", "properties": {"a": schema}, "required": ["a"]})
}

fn record(properties: Value, required: Value) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn check(rows: Vec<Row>) {
    let mut wrong = vec![];
    for (change, old, new, backward, forward) in rows {
        let told = compare(&old, &new);
        for broken in told.breaks.iter().filter(|broken| broken.rule != "undecided") {
            assert!(broken.witness.is_some(), "{change}: no witness for {}", broken.rule);
        }
        if (told.backward.is_compatible(), told.forward.is_compatible()) != (backward, forward) {
            wrong.push(format!("{change}: {}", serde_json::to_string(&told).unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn with(mut schema: Value, more: Value) -> Value {
    schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    schema
}
