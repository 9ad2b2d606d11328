//! Checks whether two versions of a JSON Schema (2020-12) can be written and read side by side.
//!
//! Schemas are compared by meaning, not by text. A writer writes only what its schema names; a reader ignores what its
//! schema does not name. Every break has a document that can be written and is not read; an undecided result counts as
//! a break. The method, and where other checkers decide differently: `docs/schema-compatibility.md`.

pub mod applicators;
mod bundle;
mod children;
mod closed;
mod dialect;
mod differ;
mod document;
mod exact;
mod judge;
mod keywords;
mod named;
mod pointer;
mod records;
mod report;
mod rule;
mod sample;
mod scalars;
mod shape;
mod values;
mod witness;

pub use bundle::bundled;
pub use report::{Break, Comparison, Direction, History, Verdict};

use serde_json::Value;

use crate::{document::Document, judge::judged};

/// Whether a value is a valid schema, of 2020-12 or of a dialect that can be converted to it.
///
/// # Errors
/// Returns the reason if it is not. A comparison with it would be undecided.
pub fn accept(schema: &Value) -> Result<(), String> {
    document::valid(schema).map(drop)
}

/// Compares two versions of a schema in both directions.
pub fn compare(old: &Value, new: &Value) -> Comparison {
    let (old, new) = (Document::read(old), Document::read(new));
    let (backward, mut breaks) = judged(Direction::Backward, &old, &new);
    let (forward, more) = judged(Direction::Forward, &new, &old);
    breaks.extend(more);
    Comparison { backward, forward, breaks }
}

/// Compares a new version with every released one, as messages of all of them may still exist.
pub fn compare_with_released<'a>(released: impl IntoIterator<Item = (&'a str, &'a Value)>, new: &Value) -> History {
    History { versions: released.into_iter().map(|(name, old)| (name.to_owned(), compare(old, new))).collect() }
}
