//! Splits a schema into shapes: each is one variant with all its constraints.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    document::{Document, ROOT},
    values::{KINDS, Kind, equal, stricter},
};

pub(crate) static ANYTHING: Value = Value::Bool(true);
const MOST_SHAPES: usize = 96;

/// Schemas that one value must satisfy together.
pub(crate) type Node<'a> = Vec<&'a Value>;

/// One variant of a schema. The constraints of several schemas on the same value are combined.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) kinds: BTreeSet<Kind>,
    /// The only values that it allows, if they are listed.
    pub(crate) values: Option<Vec<&'a Value>>,
    /// Every schema with plain keywords for the value, as fields and items depend on their siblings.
    pub(crate) parts: Vec<&'a Map<String, Value>>,
    /// Constraints that shapes cannot express: conditions, negations.
    pub(crate) opaque: Vec<(&'a str, &'a Value)>,
    /// Whether it is one of several variants of which exactly one may match.
    pub(crate) exclusive: bool,
}

const OPAQUE: [&str; 10] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "dependentSchemas",
    "unevaluatedItems",
];

impl<'a> Shape<'a> {
    fn any() -> Self {
        Self { kinds: KINDS.into(), values: None, parts: vec![], opaque: vec![], exclusive: false }
    }

    /// Returns the numbers of a keyword in all its schemas.
    fn numbers(&self, keyword: &str) -> impl Iterator<Item = &'a Value> {
        self.parts.iter().filter_map(move |part| part.get(keyword)).filter(|value| value.is_number())
    }

    /// Returns the strictest lower limit of a count.
    pub(crate) fn least(&self, keyword: &str) -> u64 {
        self.numbers(keyword).filter_map(whole).max().unwrap_or(0)
    }

    /// Returns the strictest upper limit of a count.
    pub(crate) fn most(&self, keyword: &str) -> Option<u64> {
        self.numbers(keyword).filter_map(whole).min()
    }

    /// Returns the strictest bound of a number, and whether the bound is exclusive.
    pub(crate) fn bound(&self, lower: bool) -> Option<(&'a Value, bool)> {
        let (open, closed) = if lower { ("exclusiveMinimum", "minimum") } else { ("exclusiveMaximum", "maximum") };
        let all = self.numbers(open).map(|value| (value, true)).chain(self.numbers(closed).map(|value| (value, false)));
        all.reduce(|best, next| if stricter(next, best, lower) { next } else { best })
    }

    /// Returns the texts of a keyword in all its schemas.
    pub(crate) fn texts(&self, keyword: &str) -> BTreeSet<&'a str> {
        self.parts.iter().filter_map(|part| part.get(keyword)).filter_map(Value::as_str).collect()
    }

    /// Returns the numbers of which its values are multiples.
    pub(crate) fn steps(&self) -> Vec<f64> {
        self.numbers("multipleOf").filter_map(Value::as_f64).collect()
    }

    /// Whether a keyword is set to true.
    pub(crate) fn says(&self, keyword: &str) -> bool {
        self.parts.iter().any(|part| part.get(keyword) == Some(&ANYTHING))
    }

    /// Returns the required fields.
    pub(crate) fn required(&self) -> BTreeSet<&'a str> {
        let lists = self.parts.iter().filter_map(|part| part.get("required")?.as_array());
        lists.flatten().filter_map(Value::as_str).collect()
    }

    /// Returns the names, of fields or patterns, in an object keyword.
    pub(crate) fn names(&self, keyword: &str) -> BTreeSet<&'a str> {
        let maps = self.parts.iter().filter_map(|part| part.get(keyword)?.as_object());
        maps.flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// Returns the fields that are required if a field is present.
    pub(crate) fn dependents(&self, name: &str) -> BTreeSet<&'a str> {
        let lists = self.parts.iter().filter_map(|part| part.get("dependentRequired")?.get(name)?.as_array());
        lists.flatten().filter_map(Value::as_str).collect()
    }

    /// Whether other schemas apply to it conditionally.
    pub(crate) fn has_conditions(&self) -> bool {
        let conditions = ["if", "then", "else", "dependentSchemas"];
        self.opaque.iter().any(|(keyword, _)| conditions.contains(keyword))
    }

    /// Returns the same shape limited to one type.
    pub(crate) fn only(&self, kind: Kind) -> Self {
        Self { kinds: BTreeSet::from([kind]), ..self.clone() }
    }
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}

/// Returns the node of a whole document.
pub(crate) fn root(document: &Document) -> Node<'_> {
    vec![&document.defs[ROOT]]
}

/// Returns all shapes of a node; the error names a construct that is not supported.
pub(crate) fn shapes<'a>(document: &'a Document, node: &Node<'a>) -> Result<Vec<Shape<'a>>, String> {
    let mut found = vec![Shape::any()];
    for part in node {
        found = narrowed(document, found, part, &mut vec![])?;
    }
    found.retain(|shape| !shape.kinds.is_empty() && shape.values.as_ref().is_none_or(|values| !values.is_empty()));
    Ok(found)
}

fn narrowed<'a>(
    document: &'a Document,
    shapes: Vec<Shape<'a>>,
    schema: &'a Value,
    within: &mut Vec<&'a str>,
) -> Result<Vec<Shape<'a>>, String> {
    let fields = match schema {
        Value::Bool(true) => return Ok(shapes),
        Value::Object(fields) => fields,
        _ => return Ok(vec![]),
    };
    let mut found: Vec<_> = shapes.into_iter().map(|shape| with_plain(shape, fields)).collect();
    if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
        if within.contains(&name) {
            return Err("a schema refers to itself for the same value".to_owned());
        }
        let target = document.target(name).ok_or_else(|| format!("{name} does not exist"))?;
        within.push(name);
        found = narrowed(document, found, target, within)?;
        within.pop();
    }
    for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        found = narrowed(document, found, part, within)?;
    }
    for keyword in ["anyOf", "oneOf"] {
        let Some(variants) = fields.get(keyword).and_then(Value::as_array) else { continue };
        let mut all = vec![];
        for variant in variants {
            all.extend(narrowed(document, found.clone(), variant, within)?);
        }
        if keyword == "oneOf" && variants.len() > 1 {
            all.iter_mut().for_each(|shape| shape.exclusive = true);
        }
        if all.len() > MOST_SHAPES {
            return Err("too many variants".to_owned());
        }
        found = all;
    }
    Ok(found)
}

fn with_plain<'a>(mut shape: Shape<'a>, fields: &'a Map<String, Value>) -> Shape<'a> {
    let kinds: Option<Vec<&str>> = match fields.get("type") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(several)) => Some(several.iter().filter_map(Value::as_str).collect()),
        _ => None,
    };
    if let Some(kinds) = kinds {
        shape.kinds.retain(|kind| kinds.iter().any(|name| Kind::named(name).contains(kind)));
    }
    let listed: Option<Vec<&Value>> = fields.get("enum").and_then(Value::as_array).map(|list| list.iter().collect());
    for list in [listed, fields.get("const").map(|value| vec![value])].into_iter().flatten() {
        let both = |known: &Vec<&'a Value>| {
            known.iter().copied().filter(|value| list.iter().any(|other| equal(value, other))).collect()
        };
        shape.values = Some(shape.values.as_ref().map_or(list.clone(), both));
    }
    if let Some(values) = &mut shape.values {
        values.retain(|value| shape.kinds.contains(&Kind::of(value)));
        let kinds: Vec<Kind> = values.iter().map(|value| Kind::of(value)).collect();
        shape.kinds.retain(|kind| kinds.contains(kind));
    }
    let opaque = OPAQUE.into_iter().chain(["unevaluatedProperties"]);
    shape
        .opaque
        .extend(opaque.filter_map(|keyword| fields.get_key_value(keyword)).map(|(key, value)| (key.as_str(), value)));
    shape.parts.push(fields);
    shape
}
