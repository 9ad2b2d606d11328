//! Says whether two versions of a JSON Schema (2020-12) can be written and read side by side.
//!
//! By meaning, not by text. A writer writes only what its schema names; a reader ignores what its schema does not
//! name. Every break comes with a document that can be written and is not read, and what cannot be decided counts as a
//! break. How it decides, and where others decide differently: `docs/schema-compatibility.md`.

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

/// Whether something is a schema at all, of 2020-12 or a dialect that is put into its words.
///
/// # Errors
/// Says what it is instead. Comparing it would be undecided.
pub fn accept(schema: &Value) -> Result<(), String> {
    document::valid(schema).map(drop)
}

/// Compares two versions of a schema both ways.
pub fn compare(old: &Value, new: &Value) -> Comparison {
    let (old, new) = (Document::read(old), Document::read(new));
    let (backward, mut breaks) = judged(Direction::Backward, &old, &new);
    let (forward, more) = judged(Direction::Forward, &new, &old);
    breaks.extend(more);
    Comparison { backward, forward, breaks }
}

/// Compares a new version with every released one, as messages of all of them may still be around.
pub fn compare_with_released<'a>(released: impl IntoIterator<Item = (&'a str, &'a Value)>, new: &Value) -> History {
    History { versions: released.into_iter().map(|(name, old)| (name.to_owned(), compare(old, new))).collect() }
}
