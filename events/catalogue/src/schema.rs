//! The constraints of a JSON Schema on one value, collected from all subschemas that apply to it.

use std::collections::BTreeSet;

use schema_compat::applicators::{LISTS, MAPS, ONE};
use serde_json::{Map, Value};

/// A schema and the document that it is in, which its references point into.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) root: &'a Value,
    pub(crate) schema: &'a Value,
    /// Whether the value must satisfy the schema; false for one branch of several.
    pub(crate) certain: bool,
}

/// All schemas that apply to the same value: the schema itself, referenced schemas, and branches.
pub(crate) struct Applied<'a> {
    pub(crate) places: Vec<Place<'a>>,
    /// Whether a reference cannot be resolved, so that the schemas are incomplete.
    pub(crate) is_partial: bool,
}

impl<'a> Place<'a> {
    pub(crate) fn root(document: &'a Value) -> Self {
        Self { root: document, schema: document, certain: true }
    }

    pub(crate) fn applied(self) -> Applied<'a> {
        applied_to([self])
    }

    fn at(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }

    fn branch(self, schema: &'a Value) -> Self {
        Self { schema, certain: false, ..self }
    }

    fn list(self, keyword: &str) -> impl Iterator<Item = &'a Value> {
        self.schema[keyword].as_array().into_iter().flatten()
    }
}

/// Collects all schemas that apply to a value to which each of these applies.
pub(crate) fn applied_to<'a>(places: impl IntoIterator<Item = Place<'a>>) -> Applied<'a> {
    let mut applied = Applied { places: vec![], is_partial: false };
    let mut followed = BTreeSet::new();
    let mut waiting: Vec<Place> = places.into_iter().collect();
    while let Some(place) = waiting.pop() {
        if let Some(reference) = place.schema["$ref"].as_str() {
            match target(place.root, reference) {
                Some(found) if followed.insert(reference) => waiting.push(place.at(found)),
                Some(_) => {}
                None => applied.is_partial = true,
            }
        }
        applied.is_partial |= place.schema.get("$dynamicRef").is_some();
        waiting.extend(place.list("allOf").map(|schema| place.at(schema)));
        for keyword in ["anyOf", "oneOf"] {
            waiting.extend(place.list(keyword).map(|schema| place.branch(schema)));
        }
        for keyword in ["if", "then", "else"] {
            waiting.extend(place.schema.get(keyword).map(|schema| place.branch(schema)));
        }
        let dependent = place.schema["dependentSchemas"].as_object().into_iter().flatten();
        waiting.extend(dependent.map(|(_, schema)| place.branch(schema)));
        applied.places.push(place);
    }
    applied
}

impl<'a> Applied<'a> {
    /// Whether the value is marked as personal data. Counts as marked if unknown.
    pub(crate) fn is_personal(&self) -> bool {
        self.is_partial || self.places.iter().any(|place| place.schema["x-personal-data"] == true)
    }

    /// Returns the schemas of the value of a key.
    pub(crate) fn of_key(&self, key: &str) -> Applied<'a> {
        applied_to(self.places.iter().flat_map(|place| {
            let named = place.schema["properties"].get(key);
            // All patterns are applied, matching or not: masking too much is harmless.
            let patterns =
                place.schema["patternProperties"].as_object().into_iter().flatten().map(|(_, schema)| schema);
            let others = ["additionalProperties", "unevaluatedProperties"].map(|keyword| place.schema.get(keyword));
            let others = others.into_iter().flatten().filter(move |_| named.is_none());
            named.into_iter().chain(patterns).chain(others).map(|schema| place.at(schema))
        }))
    }

    /// Returns the schemas of the item at an index.
    pub(crate) fn of_item(&self, index: usize) -> Applied<'a> {
        applied_to(self.places.iter().flat_map(|place| {
            let placed = place.schema["prefixItems"].get(index);
            let others = ["items", "contains", "unevaluatedItems"].map(|keyword| place.schema.get(keyword));
            placed.into_iter().chain(others.into_iter().flatten()).map(|schema| place.at(schema))
        }))
    }

    /// Whether the schema names a key, as opposed to keys that only the data has.
    pub(crate) fn names(&self, key: &str) -> bool {
        self.places.iter().any(|place| place.schema["properties"].get(key).is_some())
    }

    /// Whether the keys themselves are personal data.
    pub(crate) fn has_personal_keys(&self) -> bool {
        let names = self.places.iter().filter_map(|place| Some(place.at(place.schema.get("propertyNames")?)));
        applied_to(names).is_personal()
    }
}

fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Keywords that hold schemas for references, in current and older drafts.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Rewrites all schemas in a document, innermost first, the document last. Names of fields are not keywords.
pub(crate) fn rewritten(schema: &Value, rewrite: &dyn Fn(Map<String, Value>) -> Map<String, Value>) -> Value {
    let Value::Object(keywords) = schema else { return schema.clone() };
    let made = keywords.iter().map(|(keyword, value)| {
        let value = match value {
            Value::Object(schemas) if MAPS.iter().chain(&DEFINITIONS).any(|holder| holder == keyword) => {
                let schemas = schemas.iter().map(|(name, schema)| (name.clone(), rewritten(schema, rewrite)));
                schemas.collect::<Map<_, _>>().into()
            }
            Value::Array(schemas) if LISTS.contains(&&**keyword) => {
                schemas.iter().map(|schema| rewritten(schema, rewrite)).collect()
            }
            value if ONE.contains(&&**keyword) => rewritten(value, rewrite),
            value => value.clone(),
        };
        (keyword.clone(), value)
    });
    rewrite(made.collect()).into()
}

/// Removes what may contain personal data from a schema: examples, and defaults of marked fields.
pub(crate) fn without_examples(mut keywords: Map<String, Value>) -> Map<String, Value> {
    keywords.remove("examples");
    if keywords.get("x-personal-data").is_some_and(|mark| mark == true) {
        keywords.remove("default");
    }
    keywords
}
