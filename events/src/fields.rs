//! The fields of a message, as declared in its schema.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalogue::{Entry, Package};

/// The fields of a message by pointer; `*` stands for every item of a list and every key of a map. The value says
/// whether the field holds personal data.
pub type Fields = BTreeMap<String, bool>;

/// The maximum depth to which a recursive schema is followed.
const DEEPEST: usize = 12;

impl Entry {
    /// Returns every field that the schema names, as a pointer (`*` stands for every item of a list and every key of a
    /// map), and whether it holds personal data.
    pub fn fields(&self) -> Fields {
        fields_of(self)
    }
}

/// Returns every field that a message's schema names.
pub fn fields_of(entry: &Entry) -> Fields {
    let mut walk = Walk { found: Fields::new() };
    let document = Document::of(entry);
    walk.schema(&document, &document.root, "", false, 0);
    walk.found
}

/// Appends a field to a pointer (RFC 6901).
pub(crate) fn field_in(path: &str, field: &str) -> String {
    format!("{path}/{}", field.replace('~', "~0").replace('/', "~1"))
}

/// A schema file in memory.
struct Document {
    package: &'static Package,
    root: Value,
}

impl Document {
    fn of(entry: &Entry) -> Self {
        // The build script has parsed every schema, so this is valid JSON.
        Self { package: entry.package(), root: serde_json::from_str(entry.schema).unwrap_or_default() }
    }

    /// Returns the document that a reference names, and the pointer within it.
    fn at<'a>(&self, reference: &'a str) -> Option<(Option<Self>, &'a str)> {
        let (file, place) = reference.split_once('#').unwrap_or((reference, ""));
        let Some(key) = file.strip_suffix(".json") else { return Some((None, place)) };
        let entry = self.package.find(&format!("{}.{key}", self.package.service))?;
        Some((Some(Self::of(entry)), place))
    }
}

struct Walk {
    found: Fields,
}

impl Walk {
    fn schema(&mut self, document: &Document, schema: &Value, path: &str, personal: bool, depth: usize) {
        let personal = personal || schema["x-personal-data"] == true;
        if !path.is_empty() {
            *self.found.entry(path.to_owned()).or_default() |= personal;
        }
        if depth == DEEPEST {
            return;
        }
        if let Some((other, place)) = schema["$ref"].as_str().and_then(|reference| document.at(reference)) {
            let document = other.as_ref().unwrap_or(document);
            if let Some(target) = document.root.pointer(place) {
                self.schema(document, target, path, personal, depth + 1);
            }
        }
        for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
            self.schema(document, inner, &field_in(path, field), personal, depth + 1);
        }
        for inner in ["items", "additionalProperties"].iter().filter_map(|key| schema.get(key)) {
            if inner.is_object() {
                self.schema(document, inner, &format!("{path}/*"), personal, depth + 1);
            }
        }
        for variant in ["oneOf", "anyOf", "allOf"].iter().flat_map(|key| schema[key].as_array()).flatten() {
            self.schema(document, variant, path, personal, depth + 1);
        }
    }
}
