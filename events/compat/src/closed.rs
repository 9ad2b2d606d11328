//! The writer's view: the same schema, but objects contain only fields that the schema names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    applicators::{LISTS, MAPS, ONE},
    document::{Document, IN_PLACE, ROOT, with_table},
    named::{in_place, is_closed},
    values::fits_pattern,
};

/// A pseudo field name that stands for every item of a list; no field in a message can have this name.
const ITEMS: &str = "\0items";
/// A pseudo field name that stands for fields named by a pattern.
const ANY: &str = "\0any";

/// Returns the writer's view of a whole document.
pub(crate) fn closed(document: &Document) -> Value {
    let mut view = View { document, waiting: vec![] };
    let top = view.unit(&document.defs[ROOT], true);
    let mut defs = BTreeMap::new();
    while let Some((name, form)) = view.waiting.pop() {
        let key = format!("{name}{}", form.suffix());
        if defs.contains_key(&key) {
            continue;
        }
        let schema = &document.defs[&name];
        let made = match form {
            Form::Unit => view.unit(schema, false),
            Form::Part => view.part(schema, &BTreeSet::new()),
            Form::Raw => view.raw(schema),
        };
        defs.insert(key, made);
    }
    with_table(top, &defs)
}

#[derive(Clone, Copy)]
enum Form {
    /// Closed: no other schema applies to the value.
    Unit,
    /// Not closed itself, as other schemas apply to the same value; the values within it are closed.
    Part,
    /// Unchanged.
    Raw,
}

impl Form {
    fn suffix(self) -> &'static str {
        match self {
            Self::Unit => "",
            Self::Part => "-part",
            Self::Raw => "-raw",
        }
    }
}

struct View<'a> {
    document: &'a Document,
    waiting: Vec<(String, Form)>,
}

impl View<'_> {
    fn reference(&mut self, reference: &Value, form: Form) -> Value {
        let name = reference.as_str().unwrap_or_default().trim_start_matches("#/$defs/");
        self.waiting.push((name.to_owned(), form));
        format!("#/$defs/{name}{}", form.suffix()).into()
    }

    fn raw(&mut self, schema: &Value) -> Value {
        let Value::Object(fields) = schema else { return schema.clone() };
        let mut made = fields.clone();
        for (key, value) in &mut made {
            if key == "$ref" {
                *value = self.reference(value, Form::Raw);
            } else if ONE.contains(&key.as_str()) {
                *value = self.raw(value);
            } else if let (true, Value::Array(list)) = (LISTS.contains(&key.as_str()), &mut *value) {
                list.iter_mut().for_each(|item| *item = self.raw(item));
            } else if let (true, Value::Object(map)) = (MAPS.contains(&key.as_str()), &mut *value) {
                map.values_mut().for_each(|item| *item = self.raw(item));
            }
        }
        Value::Object(made)
    }

    fn unit(&mut self, schema: &Value, top: bool) -> Value {
        let Value::Object(fields) = schema else { return schema.clone() };
        if let (Some(reference), 1, false) = (fields.get("$ref"), fields.len(), top) {
            return json!({"$ref": self.reference(reference, Form::Unit)});
        }
        let mut made = self.part(schema, &BTreeSet::new());
        if let (true, Value::Object(made)) = (is_closed(self.document, &[schema], top), &mut made) {
            let several = IN_PLACE.iter().any(|keyword| fields.contains_key(*keyword));
            let keyword = if several { "unevaluatedProperties" } else { "additionalProperties" };
            made.insert(keyword.to_owned(), Value::Bool(false));
        }
        made
    }

    /// Closes a child if only this schema names it. If several do, closing each of them would forbid what the others
    /// name, so it stays unchanged. The view is then too wide, never too narrow.
    fn child(&mut self, schema: &Value, shared: bool) -> Value {
        if shared { self.raw(schema) } else { self.unit(schema, false) }
    }

    fn part(&mut self, schema: &Value, outer: &BTreeSet<String>) -> Value {
        let Value::Object(fields) = schema else { return schema.clone() };
        let shared = &self.shared(schema, outer);
        let any = shared.contains(ANY);
        let patterns: Vec<&str> = fields
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let named = |name: &str| patterns.iter().any(|pattern| fits_pattern(pattern, name) != Some(false));
        let met = own_names(schema).iter().any(|name| named(name));
        let mut made = Map::new();
        for (key, value) in fields {
            let value = match (key.as_str(), value) {
                ("$ref", reference) => {
                    let free = self.document.target(reference.as_str().unwrap_or_default());
                    let meets = free.is_some_and(|target| any || !self.names(target).is_disjoint(shared));
                    self.reference(reference, if meets { Form::Raw } else { Form::Part })
                }
                ("properties", Value::Object(map)) => map
                    .iter()
                    .map(|(name, child)| (name.clone(), self.child(child, any || named(name) || shared.contains(name))))
                    .collect::<Map<_, _>>()
                    .into(),
                ("patternProperties", Value::Object(map)) => map
                    .iter()
                    .map(|(name, child)| (name.clone(), self.child(child, any || met || patterns.len() > 1)))
                    .collect::<Map<_, _>>()
                    .into(),
                ("additionalProperties" | "unevaluatedProperties", child) => self.child(child, any),
                ("items" | "unevaluatedItems", child) => self.child(child, shared.contains(ITEMS)),
                ("prefixItems", Value::Array(list)) => {
                    list.iter().map(|child| self.child(child, shared.contains(ITEMS))).collect()
                }
                ("allOf" | "anyOf", Value::Array(list)) => list.iter().map(|item| self.part(item, shared)).collect(),
                ("then" | "else", value) => self.part(value, shared),
                ("dependentSchemas", Value::Object(map)) => {
                    map.iter().map(|(name, item)| (name.clone(), self.part(item, shared))).collect::<Map<_, _>>().into()
                }
                ("oneOf", Value::Array(list)) => list.iter().map(|item| self.raw(item)).collect(),
                ("if" | "not" | "contains" | "propertyNames", value) => self.raw(value),
                (_, value) => value.clone(),
            };
            made.insert(key.clone(), value);
        }
        // Closing the inside of a variant changes how many variants match. So the unchanged variants make the choice,
        // and a separate `anyOf` closes what is within them.
        if let Some(Value::Array(list)) = fields.get("oneOf") {
            let parts: Value = list.iter().map(|item| self.part(item, shared)).collect();
            if let Value::Array(all) = made.entry("allOf").or_insert_with(|| json!([])) {
                all.push(json!({ "anyOf": parts }));
            }
        }
        name_required(&mut made);
        Value::Object(made)
    }

    /// Returns the fields that more than one of the schemas of this value name.
    fn shared(&self, schema: &Value, outer: &BTreeSet<String>) -> BTreeSet<String> {
        let mut shared = outer.clone();
        let mut seen = own_names(schema);
        for group in in_place(self.document, schema) {
            let mut names = BTreeSet::new();
            group.iter().for_each(|part| names.extend(self.names(part)));
            let rule = (seen.contains(ANY) && !names.is_empty()) || (names.contains(ANY) && !seen.is_empty());
            shared.extend(rule.then(|| ANY.to_owned()));
            shared.extend(seen.intersection(&names).cloned());
            seen.extend(names);
        }
        shared
    }

    fn names(&self, schema: &Value) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut seen: Vec<&Value> = vec![];
        let mut waiting = vec![schema];
        while let Some(part) = waiting.pop() {
            if seen.iter().any(|known| std::ptr::eq(*known, part)) {
                continue;
            }
            seen.push(part);
            names.extend(own_names(part));
            waiting.extend(in_place(self.document, part).into_iter().flatten());
        }
        names
    }
}

fn own_names(schema: &Value) -> BTreeSet<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut names: BTreeSet<String> = properties.into_iter().flat_map(Map::keys).cloned().collect();
    let says = |keywords: &[&str]| keywords.iter().any(|keyword| schema.get(*keyword).is_some());
    names.extend(says(&["items", "prefixItems", "unevaluatedItems"]).then(|| ITEMS.to_owned()));
    names.extend(says(&["additionalProperties", "patternProperties", "unevaluatedProperties"]).then(|| ANY.to_owned()));
    names
}

/// Names every required field, even if the schema has no constraint on it.
fn name_required(made: &mut Map<String, Value>) {
    let free = ["additionalProperties", "patternProperties", "unevaluatedProperties"];
    if free.iter().any(|keyword| made.contains_key(*keyword)) {
        return;
    }
    let Some(Value::Array(required)) = made.get("required").cloned() else { return };
    if let Value::Object(properties) = made.entry("properties").or_insert_with(|| json!({})) {
        for name in required.iter().filter_map(Value::as_str) {
            properties.entry(name.to_owned()).or_insert(Value::Bool(true));
        }
    }
}
