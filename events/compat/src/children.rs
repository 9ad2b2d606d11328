//! What a shape asks of the fields and items in it.

use serde_json::{Map, Value};

use crate::{
    shape::{Node, Shape},
    values::fits_pattern,
};

static NOTHING: Value = Value::Bool(false);

/// What a part says of a field: its own schema, those of the rules that name it, or that of all others.
fn of_field<'a>(part: &'a Map<String, Value>, name: &str) -> Result<Node<'a>, String> {
    let mut node: Node = part.get("properties").and_then(|map| map.get(name)).into_iter().collect();
    for (pattern, schema) in part.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
        let matches = fits_pattern(pattern, name).ok_or_else(|| format!("the pattern {pattern} cannot be read"))?;
        node.extend(matches.then_some(schema));
    }
    if node.is_empty() {
        node.extend(part.get("additionalProperties"));
    }
    Ok(node)
}

impl<'a> Shape<'a> {
    /// What it asks of a field. A closed shape takes none that it does not name.
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

    /// What it asks of the fields that a rule names.
    pub(crate) fn by_rule(&self, pattern: &str) -> Node<'a> {
        self.parts.iter().filter_map(|part| part.get("patternProperties")?.get(pattern)).collect()
    }

    /// What it asks of the fields that nothing names.
    pub(crate) fn other_fields(&self, closed: bool) -> Node<'a> {
        if closed {
            return vec![&NOTHING];
        }
        self.parts.iter().filter_map(|part| part.get("additionalProperties")).collect()
    }

    /// How many items have a place of their own.
    pub(crate) fn places(&self) -> usize {
        let lists = self.parts.iter().filter_map(|part| part.get("prefixItems")?.as_array());
        lists.map(Vec::len).max().unwrap_or(0)
    }

    /// What it asks of the item at a place, or of the ones after all places.
    pub(crate) fn item(&self, place: usize) -> Node<'a> {
        let of_part = |part: &&'a Map<String, Value>| {
            let own = part.get("prefixItems").and_then(Value::as_array).and_then(|list| list.get(place));
            own.or_else(|| part.get("items"))
        };
        self.parts.iter().filter_map(of_part).collect()
    }
}
