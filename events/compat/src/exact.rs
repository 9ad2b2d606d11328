//! The other engine: the validator's algebra of schemas, which subtracts the reader's schema from the writer's.

use jsonschema::canonical::{CanonicalKind, CanonicalSchema, Satisfiability, options};
use serde_json::Value;

/// The difference between the writer's and the reader's schema.
pub(crate) enum Rest {
    /// Empty: the pair is compatible.
    Nothing,
    /// Not empty, with a schema of the difference.
    Something(Value),
    /// Undecided, with a schema of the possible difference if there is one.
    Unknown(String, Option<Value>),
}

/// Subtracts a reader's schema from a writer's.
pub(crate) fn rest(writer: &Value, reader: &Value) -> Rest {
    let (writer, reader) = match (canonical(writer), canonical(reader)) {
        (Ok(writer), Ok(reader)) => (writer, reader),
        (Err(reason), _) | (_, Err(reason)) => return Rest::Unknown(reason, None),
    };
    match writer.subtract(&reader) {
        Ok(rest) => match rest.satisfiability() {
            Satisfiability::No => Rest::Nothing,
            Satisfiability::Yes => Rest::Something(rest.to_json_schema()),
            _ => Rest::Unknown("the difference could not be decided".to_owned(), Some(rest.to_json_schema())),
        },
        Err(error) => Rest::Unknown(error.to_string(), None),
    }
}

fn canonical(schema: &Value) -> Result<CanonicalSchema, String> {
    let made = options().should_validate_formats(true).offline().canonicalize(schema);
    let made = made.map_err(|error| error.to_string())?;
    if made.kind() == CanonicalKind::Raw {
        return Err("a schema has no canonical form".to_owned());
    }
    Ok(made)
}
