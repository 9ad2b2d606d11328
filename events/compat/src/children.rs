//! The constraints of a shape on its fields and items.

use serde_json::{Map, Value};

use crate::{
    shape::{Node, Shape},
    values::fits_pattern,
};

static NOTHING: Value = Value::Bool(false);

/// Returns a part's schemas for a field: its own and those of matching patterns, or else that of additional fields.
fn of_field<'a>(part: &'a Map<String, Value>, name: &str) -> Result<Node<'a>, String> {
    let mut node: Node = part.get("properties").and_then(|map| map.get(name)).into_iter().collect();
    for (pattern, schema) in part.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
        let matches = fits_pattern(pattern, name).ok_or_else(|| format!("the pattern {pattern} is not supported"))?;
        node.extend(matches.then_some(schema));
    }
    if node.is_empty() {
        node.extend(part.get("additionalProperties"));
    }
    Ok(node)
}

impl<'a> Shape<'a> {
    /// Returns the schemas for a field. A closed shape allows only the fields that it names.
    pub(crate) fn field(&self, name: &str, closed: bool) -> Result<Node<'a>, String> {
        if closed && !self.names("properties").contains(name) && !self.required().contains(name) {
            return Ok(vec![&NOTHING]);
        }
        let mut node = vec![];
        for part in &self.parts {
            node.extend(of_field(part, name)?);
        }
        Ok(node)
    }

    /// Returns the schemas for the fields that match a pattern.
    pub(crate) fn by_rule(&self, pattern: &str) -> Node<'a> {
        self.parts.iter().filter_map(|part| part.get("patternProperties")?.get(pattern)).collect()
    }

    /// Returns the schemas for the fields that nothing names.
    pub(crate) fn other_fields(&self, closed: bool) -> Node<'a> {
        if closed {
            return vec![&NOTHING];
        }
        self.parts.iter().filter_map(|part| part.get("additionalProperties")).collect()
    }

    /// Returns how many items have a schema of their own.
    pub(crate) fn places(&self) -> usize {
        let lists = self.parts.iter().filter_map(|part| part.get("prefixItems")?.as_array());
        lists.map(Vec::len).max().unwrap_or(0)
    }

    /// Returns the schemas for the item at a position, or for the items after the last such position.
    pub(crate) fn item(&self, place: usize) -> Node<'a> {
        let of_part = |part: &&'a Map<String, Value>| {
            let own = part.get("prefixItems").and_then(Value::as_array).and_then(|list| list.get(place));
            own.or_else(|| part.get("items"))
        };
        self.parts.iter().filter_map(of_part).collect()
    }
}
