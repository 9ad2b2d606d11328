//! Documents that demonstrate a break: valid for the writer, rejected by the reader, both verified.

use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::{Value, json};

use crate::{
    document::{Document, with_table},
    pointer::token,
    rule::Rule,
    shape::Node,
};

/// Builds a validator that also rejects malformed formats, as the generated types do.
fn validator(schema: &Value) -> Option<Validator> {
    jsonschema::options().should_validate_formats(true).build(schema).ok()
}

/// Builds a validator of one node of a document.
pub(crate) fn of_node(document: &Document, node: &Node<'_>) -> Option<Validator> {
    validator(&with_table(json!({ "allOf": node }), &document.defs))
}

/// The writer's and the reader's validators.
pub(crate) struct Court {
    writer: Validator,
    reader: Validator,
}

impl Court {
    pub(crate) fn new(writer: &Value, reader: &Value) -> Option<Self> {
        Some(Self { writer: validator(writer)?, reader: validator(reader)? })
    }

    fn is_witness(&self, document: &Value) -> bool {
        self.writer.is_valid(document) && !self.reader.is_valid(document)
    }

    /// Returns the shortest candidate that can be written and is not read.
    pub(crate) fn shortest(&self, tries: &[Value]) -> Option<Value> {
        let shown = tries.iter().filter(|document| self.is_witness(document));
        shown
            .min_by_key(|document| {
                let text = document.to_string();
                (text.len(), text)
            })
            .cloned()
    }

    /// Returns where and why the reader rejects a document, in the validator's words.
    pub(crate) fn refusal(&self, document: &Value) -> Option<(String, Rule, String)> {
        let error = self.reader.iter_errors(document).next()?;
        let field = match error.kind() {
            ValidationErrorKind::Required { property } => property.as_str(),
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected.first().map(String::as_str),
            _ => None,
        };
        let place = error.instance_path().to_string();
        let steps = place.split('/').map(|step| if step.parse::<usize>().is_ok() { "*" } else { step });
        let mut path = steps.collect::<Vec<_>>().join("/");
        path.extend(field.map(|name| format!("/{}", token(name))));
        let keyword = error.schema_path().to_string();
        let keyword = keyword.rsplit('/').find(|step| step.parse::<usize>().is_err()).unwrap_or_default().to_owned();
        Some((path, Rule::of_keyword(&keyword), format!("the reader rejects it: {error}")))
    }
}
