//! Documents that show a break: valid for the writer, refused by the reader, and checked to be so.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::{
    document::{Document, with_table},
    rule::Rule,
    shape::Node,
};

/// A validator that also refuses a text that is not of its format, as the types made from our schemas do.
fn validator(schema: &Value) -> Option<Validator> {
    jsonschema::options().should_validate_formats(true).build(schema).ok()
}

/// Whether a reader takes a value as one of its nodes.
pub(crate) fn accepts(document: &Document, node: &Node<'_>, value: &Value) -> Option<bool> {
    let schema = with_table(json!({ "allOf": node }), &document.defs);
    Some(validator(&schema)?.is_valid(value))
}

/// What is written, beside what is read.
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

    /// The shortest of the tries that can be written and is not read.
    pub(crate) fn shortest(&self, tries: &[Value]) -> Option<Value> {
        let shown = tries.iter().filter(|document| self.is_witness(document));
        shown
            .min_by_key(|document| {
                let text = document.to_string();
                (text.len(), text)
            })
            .cloned()
    }

    /// Where and why the reader refuses a document, in its own words.
    pub(crate) fn refusal(&self, document: &Value) -> Option<(String, Rule, String)> {
        let error = self.reader.iter_errors(document).next()?;
        let path: String = error.instance_path().to_string();
        let steps = path.split('/').map(|step| if step.parse::<usize>().is_ok() { "*" } else { step });
        let path = steps.collect::<Vec<_>>().join("/");
        let keyword = error.schema_path().to_string();
        let keyword = keyword.rsplit('/').find(|step| step.parse::<usize>().is_err()).unwrap_or_default().to_owned();
        Some((path, Rule::of_keyword(&keyword), format!("the reader refuses it: {error}")))
    }
}
