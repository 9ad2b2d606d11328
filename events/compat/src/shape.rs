//! A schema taken apart into shapes: each one kind of value with all that is asked of it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::document::{Document, ROOT};

pub(crate) static ANYTHING: Value = Value::Bool(true);
static NOTHING: Value = Value::Bool(false);
const MOST_SHAPES: usize = 96;

/// Schemas that one value has to fit all of.
pub(crate) type Node<'a> = Vec<&'a Value>;

/// The kinds of JSON values; a whole number is a kind of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Whole,
    Fraction,
    Text,
    List,
    Object,
}

pub(crate) const KINDS: [Kind; 7] =
    [Kind::Null, Kind::Boolean, Kind::Whole, Kind::Fraction, Kind::Text, Kind::List, Kind::Object];

impl Kind {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => Self::Whole,
            Value::Number(_) => Self::Fraction,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    fn named(name: &str) -> &'static [Self] {
        match name {
            "null" => &[Self::Null],
            "boolean" => &[Self::Boolean],
            "integer" => &[Self::Whole],
            "number" => &[Self::Whole, Self::Fraction],
            "string" => &[Self::Text],
            "array" => &[Self::List],
            "object" => &[Self::Object],
            _ => &[],
        }
    }

    /// As a schema names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Whole => "integer",
            Self::Fraction => "number",
            Self::Text => "string",
            Self::List => "array",
            Self::Object => "object",
        }
    }
}

/// One variant of a schema. What several schemas ask of the same value is asked together.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) kinds: BTreeSet<Kind>,
    /// The only values it takes, where they are listed.
    pub(crate) values: Option<Vec<&'a Value>>,
    /// Every schema that speaks of it by plain keywords, as fields and items depend on their neighbours.
    pub(crate) parts: Vec<&'a Map<String, Value>>,
    /// What shapes cannot say: conditions, negations.
    pub(crate) opaque: Vec<(&'a str, &'a Value)>,
    /// It is one of several of which exactly one may fit.
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

    /// The least (or greatest) of what its schemas say of a keyword.
    fn numbers(&self, keyword: &str) -> impl Iterator<Item = &'a Value> {
        self.parts.iter().filter_map(move |part| part.get(keyword)).filter(|value| value.is_number())
    }

    /// The strictest lower limit of a count.
    pub(crate) fn least(&self, keyword: &str) -> u64 {
        self.numbers(keyword).filter_map(whole).max().unwrap_or(0)
    }

    /// The strictest upper limit of a count.
    pub(crate) fn most(&self, keyword: &str) -> Option<u64> {
        self.numbers(keyword).filter_map(whole).min()
    }

    /// The strictest bound of a number, and whether the bound itself is left out.
    pub(crate) fn bound(&self, lower: bool) -> Option<(&'a Value, bool)> {
        let (open, closed) = if lower { ("exclusiveMinimum", "minimum") } else { ("exclusiveMaximum", "maximum") };
        let all = self.numbers(open).map(|value| (value, true)).chain(self.numbers(closed).map(|value| (value, false)));
        all.reduce(|best, next| if stricter(next, best, lower) { next } else { best })
    }

    /// The texts of a keyword in all its schemas.
    pub(crate) fn texts(&self, keyword: &str) -> BTreeSet<&'a str> {
        self.parts.iter().filter_map(|part| part.get(keyword)).filter_map(Value::as_str).collect()
    }

    /// What its values are multiples of.
    pub(crate) fn steps(&self) -> Vec<f64> {
        self.numbers("multipleOf").filter_map(Value::as_f64).collect()
    }

    /// Whether a keyword is said to be true.
    pub(crate) fn says(&self, keyword: &str) -> bool {
        self.parts.iter().any(|part| part.get(keyword) == Some(&ANYTHING))
    }

    /// The fields it must have.
    pub(crate) fn required(&self) -> BTreeSet<&'a str> {
        let lists = self.parts.iter().filter_map(|part| part.get("required")?.as_array());
        lists.flatten().filter_map(Value::as_str).collect()
    }

    /// The fields and rules of fields that it names.
    pub(crate) fn names(&self, keyword: &str) -> BTreeSet<&'a str> {
        let maps = self.parts.iter().filter_map(|part| part.get(keyword)?.as_object());
        maps.flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// The fields that must be there beside a field.
    pub(crate) fn dependents(&self, name: &str) -> BTreeSet<&'a str> {
        let lists = self.parts.iter().filter_map(|part| part.get("dependentRequired")?.get(name)?.as_array());
        lists.flatten().filter_map(Value::as_str).collect()
    }

    /// The same shape limited to one kind.
    pub(crate) fn only(&self, kind: Kind) -> Self {
        Self { kinds: BTreeSet::from([kind]), ..self.clone() }
    }
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
}

/// Whether a bound lets fewer numbers through than another, or as many.
pub(crate) fn stricter(one: (&Value, bool), other: (&Value, bool), lower: bool) -> bool {
    let order = compare(one.0, other.0);
    let order = if lower { order } else { order.reverse() };
    order.is_gt() || (order.is_eq() && (one.1 || !other.1))
}

/// Numbers by size; whole ones exactly.
pub(crate) fn compare(one: &Value, other: &Value) -> std::cmp::Ordering {
    let exact = |value: &Value| value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (exact(one), exact(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.as_f64().unwrap_or(f64::NAN).total_cmp(&other.as_f64().unwrap_or(f64::NAN)),
    }
}

/// Equal as JSON Schema has it: numbers by value, however they are written.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => compare(one, other).is_eq(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}

/// The node of a whole document.
pub(crate) fn root(document: &Document) -> Node<'_> {
    vec![&document.defs[ROOT]]
}

/// All shapes of a node; the error says what cannot be taken apart.
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
            return Err("a schema that refers to itself about the same value".to_owned());
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
            return Err("more variants than can be looked at".to_owned());
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

/// Whether a pattern is found in a text.
pub(crate) fn fits_pattern(pattern: &str, text: &str) -> Option<bool> {
    let schema = serde_json::json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": pattern});
    Some(jsonschema::validator_for(&schema).ok()?.is_valid(&Value::String(text.to_owned())))
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
