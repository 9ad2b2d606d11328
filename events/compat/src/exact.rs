//! The other engine: the validator's own algebra of schemas, which subtracts what is read from what is written.

use jsonschema::canonical::{CanonicalKind, CanonicalSchema, Satisfiability, options};
use serde_json::Value;

/// What is left when everything that is read is taken from what is written.
pub(crate) enum Rest {
    /// Nothing: it is safe.
    Nothing,
    /// Something, and a schema for it.
    Something(Value),
    /// It cannot tell; where it has a schema for what may be left, it is given.
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
            _ => Rest::Unknown("the difference is not decided".to_owned(), Some(rest.to_json_schema())),
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
