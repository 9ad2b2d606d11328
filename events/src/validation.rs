//! Validates the data of a message against the schema of its exact version.

use std::{fmt, sync::Arc};

use jsonschema::{Retrieve, Uri, error::ValidationErrorKind};
use serde_json::Value;

use crate::catalogue::{Entry, Package};

/// The base URI for references between schemas: each is resolved next to the referring one, as the files are.
const ROOT: &str = "kith:///";

/// Validates the data of one message.
#[derive(Clone)]
pub struct Validator {
    name: &'static str,
    compiled: Arc<jsonschema::Validator>,
}

/// A violation of a schema. Names the place and the rule, never the value, which may be personal.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub struct Violation {
    /// The message.
    pub name: String,
    /// The field, as a pointer into the data, also if it is missing; empty for the whole message.
    pub path: String,
    /// The rule, a keyword of JSON Schema: `type`, `required`, `format`.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the message" } else { &self.path };
        write!(formatter, "{place} breaks the rule {:?} of {}", self.rule, self.name)
    }
}

impl Validator {
    /// Returns the validator of a message.
    ///
    /// # Panics
    /// Panics if the schema cannot be compiled; the tests compile all of them.
    pub fn of(entry: &Entry) -> Self {
        let compiled = jsonschema::draft202012::options()
            .with_base_uri(format!("{ROOT}{}/{}.json", entry.service, entry.key))
            .with_retriever(Neighbours(entry.package()))
            .should_validate_formats(true)
            .build(&schema_of(entry))
            .unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        Self { name: entry.name, compiled: Arc::new(compiled) }
    }

    /// Validates data.
    ///
    /// # Errors
    /// Returns the first violation.
    pub fn check(&self, data: &Value) -> Result<(), Violation> {
        self.compiled.validate(data).map_err(|error| {
            let mut path = error.instance_path().to_string();
            // Its name is in the schema and not the sender's.
            if let ValidationErrorKind::Required { property: Value::String(missing) } = error.kind() {
                path = format!("{path}/{}", missing.replace('~', "~0").replace('/', "~1"));
            }
            Violation { name: self.name.to_owned(), path, rule: error.kind().keyword().to_owned() }
        })
    }
}

/// Returns a schema without its `$id`, so that it is found by its file name.
fn schema_of(entry: &Entry) -> Value {
    let mut schema: Value = serde_json::from_str(entry.schema).unwrap_or_default();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$id");
    }
    schema
}

/// Resolves references to other schemas of the package.
struct Neighbours(&'static Package);

impl Retrieve for Neighbours {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let place = uri.as_str().strip_prefix(ROOT).and_then(|file| file.strip_suffix(".json"));
        let entry = place.and_then(|place| self.0.find(&place.replacen('/', ".", 1)));
        Ok(schema_of(entry.ok_or_else(|| format!("there is no schema {uri}"))?))
    }
}
