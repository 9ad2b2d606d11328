//! What a JSON Schema says of one value, gathered from everything in it that applies to that value.

use std::collections::BTreeSet;

use schema_compat::applicators::{LISTS, MAPS, ONE};
use serde_json::{Map, Value};

/// A schema inside a document, and the document, which its references point into.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) root: &'a Value,
    pub(crate) schema: &'a Value,
    /// Whether every value of this place must fit it; not so for one branch of several.
    pub(crate) certain: bool,
}

/// All schemas that apply to the same value: the schema itself, what it refers to, and its branches.
pub(crate) struct Applied<'a> {
    pub(crate) places: Vec<Place<'a>>,
    /// A reference leads nowhere, so that not everything is known.
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

/// All schemas that apply to a value to which each of these applies.
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
    /// Whether anything here says that the value is personal data. What is not known counts as a yes.
    pub(crate) fn is_personal(&self) -> bool {
        self.is_partial || self.places.iter().any(|place| place.schema["x-personal-data"] == true)
    }

    /// What is known of the value of a key.
    pub(crate) fn of_key(&self, key: &str) -> Applied<'a> {
        applied_to(self.places.iter().flat_map(|place| {
            let named = place.schema["properties"].get(key);
            // Which pattern fits is not asked: to mask too much does no harm.
            let patterns =
                place.schema["patternProperties"].as_object().into_iter().flatten().map(|(_, schema)| schema);
            let others = ["additionalProperties", "unevaluatedProperties"].map(|keyword| place.schema.get(keyword));
            let others = others.into_iter().flatten().filter(move |_| named.is_none());
            named.into_iter().chain(patterns).chain(others).map(|schema| place.at(schema))
        }))
    }

    /// What is known of the item at an index.
    pub(crate) fn of_item(&self, index: usize) -> Applied<'a> {
        applied_to(self.places.iter().flat_map(|place| {
            let placed = place.schema["prefixItems"].get(index);
            let others = ["items", "contains", "unevaluatedItems"].map(|keyword| place.schema.get(keyword));
            placed.into_iter().chain(others.into_iter().flatten()).map(|schema| place.at(schema))
        }))
    }

    /// Whether a key is one of the names that the schema gives, and not one that the data brings.
    pub(crate) fn names(&self, key: &str) -> bool {
        self.places.iter().any(|place| place.schema["properties"].get(key).is_some())
    }

    /// Whether keys themselves are personal data.
    pub(crate) fn has_personal_keys(&self) -> bool {
        let names = self.places.iter().filter_map(|place| Some(place.at(place.schema.get("propertyNames")?)));
        applied_to(names).is_personal()
    }
}

fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Those that keep schemas by name for others to refer to, in this and in older drafts.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// A document with every schema in it, and itself, made anew; the innermost first. Names of fields are no keywords.
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

/// Takes out of a schema what may show personal data: examples, and what a marked field is where it is absent.
pub(crate) fn without_examples(mut keywords: Map<String, Value>) -> Map<String, Value> {
    keywords.remove("examples");
    if keywords.get("x-personal-data").is_some_and(|mark| mark == true) {
        keywords.remove("default");
    }
    keywords
}
