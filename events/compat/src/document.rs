//! A schema prepared for comparison: assertions only, with all references in one table.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{
    applicators::{LISTS, MAPS, ONE},
    dialect::{OURS, in_ours},
};

/// The name of the whole document in its table.
pub(crate) const ROOT: &str = "root";

/// Keywords whose schemas apply to the same value.
pub(crate) const IN_PLACE: [&str; 9] =
    ["$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "not"];

const PLAIN: [&str; 20] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "required",
    "dependentRequired",
    "minProperties",
    "maxProperties",
];

/// The formats for which the generated types reject a malformed text. For readers, the others are annotations.
const ASSERTED_FORMATS: [&str; 5] = ["uuid", "date", "date-time", "ipv4", "ipv6"];

/// A schema as a table of schemas that refer to each other by `#/$defs/<name>`.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) defs: BTreeMap<String, Value>,
}

impl Document {
    /// Parses a schema; the error says why it cannot be compared.
    pub(crate) fn read(schema: &Value) -> Result<Self, String> {
        let schema = &valid(schema)?;
        let mut reader = Reader { source: schema, names: BTreeMap::new(), waiting: vec![], anchors: BTreeMap::new() };
        reader.find_anchors(schema, "", true)?;
        reader.name("");
        let mut defs = BTreeMap::new();
        while let Some((pointer, name)) = reader.waiting.pop() {
            let target = schema.pointer(&pointer).ok_or_else(|| format!("#{pointer} does not exist"))?;
            defs.insert(name, reader.prepared(target)?);
        }
        Ok(Self { defs })
    }

    /// Returns the schema that a reference names.
    pub(crate) fn target(&self, reference: &str) -> Option<&Value> {
        self.defs.get(reference.strip_prefix("#/$defs/")?)
    }

    /// Returns the whole document as one JSON Schema.
    pub(crate) fn to_schema(&self) -> Value {
        with_table(self.defs[ROOT].clone(), &self.defs)
    }
}

/// Returns the schema in our dialect; the error says why it is not a valid schema.
pub(crate) fn valid(schema: &Value) -> Result<Value, String> {
    let schema = in_ours(schema)?;
    match jsonschema::meta::validate(&schema) {
        Ok(()) => Ok(schema),
        Err(error) => Err(format!("it is not a valid JSON Schema: {error} at {:?}", error.instance_path().as_str())),
    }
}

/// Returns a schema together with the table of its references.
pub(crate) fn with_table(schema: Value, defs: &BTreeMap<String, Value>) -> Value {
    let mut top = match schema {
        Value::Object(fields) => fields,
        Value::Bool(false) => Map::from_iter([("not".to_owned(), json!({}))]),
        _ => Map::new(),
    };
    top.insert("$schema".to_owned(), OURS.into());
    top.insert("$defs".to_owned(), json!(defs));
    Value::Object(top)
}

struct Reader<'a> {
    source: &'a Value,
    /// The targets of references, and their names in the table.
    names: BTreeMap<String, String>,
    waiting: Vec<(String, String)>,
    anchors: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn find_anchors(&mut self, value: &Value, pointer: &str, top: bool) -> Result<(), String> {
        match value {
            Value::Object(fields) => {
                if !top && fields.get("$id").is_some_and(Value::is_string) {
                    return Err(format!("#{pointer} is an embedded document ($id)"));
                }
                if let Some(anchor) = fields.get("$anchor").and_then(Value::as_str) {
                    self.anchors.insert(anchor.to_owned(), pointer.to_owned());
                }
                for (key, value) in fields.iter().filter(|(key, _)| !holds_values(key)) {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    self.find_anchors(value, &format!("{pointer}/{key}"), false)?;
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.find_anchors(item, &format!("{pointer}/{index}"), false)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn name(&mut self, pointer: &str) -> String {
        if let Some(name) = self.names.get(pointer) {
            return name.clone();
        }
        let name = if pointer.is_empty() { ROOT.to_owned() } else { format!("d{}", self.names.len()) };
        self.names.insert(pointer.to_owned(), name.clone());
        self.waiting.push((pointer.to_owned(), name.clone()));
        name
    }

    fn reference(&mut self, reference: &str) -> Result<String, String> {
        let own = self.source.get("$id").and_then(Value::as_str).unwrap_or_default();
        let local = reference.strip_prefix(own).filter(|rest| rest.is_empty() || rest.starts_with('#'));
        let local = local.unwrap_or(reference);
        let Some(fragment) = local.strip_prefix('#').or(local.is_empty().then_some("")) else {
            return Err(format!("it refers to another document: {reference}"));
        };
        let fragment = fragment.replace("%25", "%").replace("%22", "\"").replace("%5E", "^");
        let pointer = match fragment.starts_with('/') || fragment.is_empty() {
            true => fragment,
            false => self.anchors.get(&fragment).cloned().ok_or_else(|| format!("no anchor {reference}"))?,
        };
        Ok(format!("#/$defs/{}", self.name(&pointer)))
    }

    fn prepared(&mut self, schema: &Value) -> Result<Value, String> {
        let Value::Object(fields) = schema else { return Ok(schema.clone()) };
        let mut kept = Map::new();
        for (key, value) in fields {
            let key = key.as_str();
            if ONE.contains(&key) {
                kept.insert(key.to_owned(), self.prepared(value)?);
            } else if LISTS.contains(&key) {
                let list = value.as_array().into_iter().flatten();
                let list: Result<Vec<_>, _> = list.map(|item| self.prepared(item)).collect();
                kept.insert(key.to_owned(), Value::Array(list?));
            } else if MAPS.contains(&key) {
                let mut map = Map::new();
                for (name, value) in value.as_object().into_iter().flatten() {
                    map.insert(name.clone(), self.prepared(value)?);
                }
                kept.insert(key.to_owned(), Value::Object(map));
            } else if PLAIN.contains(&key) {
                kept.insert(key.to_owned(), value.clone());
            } else if key == "$ref" {
                kept.insert(key.to_owned(), self.reference(value.as_str().unwrap_or_default())?.into());
            } else if key == "$dynamicRef" || key == "$recursiveRef" {
                return Err(format!("{key} is resolved only at validation time"));
            }
        }
        assert_format(fields, &mut kept);
        plain_unevaluated(&mut kept);
        Ok(Value::Object(kept))
    }
}

fn holds_values(key: &str) -> bool {
    ["enum", "const", "examples", "default"].contains(&key) || key.starts_with("x-")
}

/// Keeps formats for which readers reject malformed values: as they are for texts, as bounds for whole numbers.
fn assert_format(fields: &Map<String, Value>, kept: &mut Map<String, Value>) {
    let Some(format) = fields.get("format").and_then(Value::as_str) else { return };
    if ASSERTED_FORMATS.contains(&format) {
        kept.insert("format".to_owned(), format.into());
    }
    let (low, high) = match format {
        "int8" => (json!(i8::MIN), json!(i8::MAX)),
        "int16" => (json!(i16::MIN), json!(i16::MAX)),
        "int32" => (json!(i32::MIN), json!(i32::MAX)),
        "int64" => (json!(i64::MIN), json!(i64::MAX)),
        "uint8" => (json!(0), json!(u8::MAX)),
        "uint16" => (json!(0), json!(u16::MAX)),
        "uint32" => (json!(0), json!(u32::MAX)),
        "uint" | "uint64" => (json!(0), json!(u64::MAX)),
        _ => return,
    };
    let types: BTreeSet<&str> = match fields.get("type") {
        Some(Value::String(one)) => BTreeSet::from([one.as_str()]),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    };
    if !types.contains("integer") || types.contains("number") {
        return;
    }
    let number = |kept: &Map<String, Value>, keyword: &str| kept.get(keyword).and_then(Value::as_f64);
    if number(kept, "minimum").is_none_or(|least| Some(least) < low.as_f64()) {
        kept.insert("minimum".to_owned(), low);
    }
    if number(kept, "maximum").is_none_or(|most| Some(most) > high.as_f64()) {
        kept.insert("maximum".to_owned(), high);
    }
}

/// Replaces `unevaluated..` by the plain keyword if no other schema applies to the same value: they then mean the same.
fn plain_unevaluated(kept: &mut Map<String, Value>) {
    if IN_PLACE.iter().any(|keyword| kept.contains_key(*keyword)) {
        return;
    }
    for (long, short) in [("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")] {
        if kept.contains_key(short) {
            kept.remove(long);
            continue;
        }
        // `contains` also evaluates items.
        if short == "items" && kept.contains_key("contains") {
            continue;
        }
        if let Some(value) = kept.remove(long) {
            kept.insert(short.to_owned(), value);
        }
    }
}
