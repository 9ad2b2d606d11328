//! Embeds referenced documents into a schema, so that it can be compared alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Returns the schema with all documents that it refers to (`other.json`, `other.json#/$defs/Name`) in its definitions.
///
/// If `find` does not know a document, the reference stays; the comparison is then undecided.
pub fn bundled(schema: &Value, find: impl Fn(&str) -> Option<Value>) -> Value {
    let mut bundle = Bundle { found: BTreeMap::new(), find: &find };
    let mut made = bundle.rewritten(schema, "");
    if let (false, Value::Object(fields)) = (bundle.found.is_empty(), &mut made)
        && let Value::Object(defs) = fields.entry("$defs").or_insert_with(|| json!({}))
    {
        defs.extend(bundle.found);
    }
    made
}

struct Bundle<'a> {
    found: BTreeMap<String, Value>,
    find: &'a dyn Fn(&str) -> Option<Value>,
}

impl Bundle<'_> {
    /// Rewrites references to point into the bundle; `place` is the pointer of the schema's own document in it.
    fn rewritten(&mut self, schema: &Value, place: &str) -> Value {
        match schema {
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| match value {
                    Value::String(target) if key == "$ref" => (key.clone(), self.reference(target, place).into()),
                    value => (key.clone(), self.rewritten(value, place)),
                })
                .collect::<Map<_, _>>()
                .into(),
            Value::Array(items) => items.iter().map(|item| self.rewritten(item, place)).collect(),
            other => other.clone(),
        }
    }

    fn reference(&mut self, target: &str, place: &str) -> String {
        let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
        if file.is_empty() {
            return if fragment.is_empty() || fragment.starts_with('/') {
                format!("#{place}{fragment}")
            } else {
                target.to_owned()
            };
        }
        match self.include(file) {
            Some(place) => format!("#{place}{fragment}"),
            None => target.to_owned(),
        }
    }

    fn include(&mut self, file: &str) -> Option<String> {
        let place = format!("/$defs/{}", file.replace('~', "~0").replace('/', "~1"));
        if self.found.contains_key(file) {
            return Some(place);
        }
        let mut document = (self.find)(file)?;
        if let Value::Object(fields) = &mut document {
            fields.remove("$id");
            fields.remove("$schema");
        }
        // Registered before it is read, as it may refer to itself.
        self.found.insert(file.to_owned(), Value::Null);
        let document = self.rewritten(&document, &place);
        self.found.insert(file.to_owned(), document);
        Some(place)
    }
}
