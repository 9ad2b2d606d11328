//! `cargo xtask events compat`: compares two schema files.

use std::{fmt::Write, path::Path};

use schema_compat::{Break, Comparison, Verdict};
use serde_json::Value;

use crate::{ContractError, file::SchemaFile};

/// Compares two schema files; references are resolved next to each file.
///
/// # Errors
/// Returns an error if a file cannot be read, is not JSON, or is not a JSON Schema.
pub fn compare_files(old: &Path, new: &Path) -> Result<Comparison, ContractError> {
    Ok(schema_compat::compare(&schema(old)?, &schema(new)?))
}

fn schema(path: &Path) -> Result<Value, ContractError> {
    let bundled = SchemaFile::read(path)?.bundled;
    schema_compat::accept(&bundled).map_err(|why| ContractError::malformed(path, why))?;
    Ok(bundled)
}

/// Formats a comparison as human-readable text.
pub fn comparison_text(told: &Comparison) -> String {
    let mut text = format!(
        "backward (a reader of NEW reads what was written under OLD): {}\n\
         forward (a reader of OLD reads what is written under NEW): {}\n",
        verdict(&told.backward),
        verdict(&told.forward)
    );
    for shown in &told.breaks {
        let _ = write!(text, "\n{}\n  hits {}\n{}", headline(shown), shown.hits, document(shown));
    }
    text
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Compatible => "yes",
        Verdict::Incompatible => "no",
        Verdict::Unknown(_) => "cannot be decided, which counts as no",
    }
}

/// Formats the field, the rule and the message of a break.
pub(crate) fn headline(shown: &Break) -> String {
    let place = if shown.path.is_empty() { "the whole message" } else { &shown.path };
    format!("{place}  {}: {}", shown.rule, shown.message)
}

/// Formats the document that demonstrates a break, on a line of its own.
pub(crate) fn document(shown: &Break) -> String {
    shown.witness.as_ref().map_or_else(String::new, |document| format!("  document {document}\n"))
}
