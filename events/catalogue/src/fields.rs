//! The fields of a message, for tables.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::schema::{Applied, Place};

/// A field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its pointer; `*` stands for every item of a list and every key of a map.
    pub path: String,
    /// Its type and limits as text.
    pub form: String,
    /// Whether it is always present in the object that contains it.
    pub required: bool,
    /// Its description.
    pub description: String,
    /// Whether it holds personal data.
    pub personal: bool,
}

/// Returns the fields that are read, given the pointers in a contract. A reader of `name.full` also reads `name`; only
/// the longer pointer counts.
pub(crate) fn read_of<'f>(fields: &'f [Field], reads: &[String]) -> Vec<&'f Field> {
    innermost(fields.iter().filter(|field| reads.contains(&field.path)).collect())
}

/// Returns the number of fields, not counting those that only contain others.
pub(crate) fn count(fields: &[Field]) -> usize {
    innermost(fields.iter().collect()).len()
}

fn innermost(fields: Vec<&Field>) -> Vec<&Field> {
    let holds_another = |field: &&Field| {
        let inside = format!("{}/", field.path);
        fields.iter().any(|other| other.path.starts_with(&inside))
    };
    fields.iter().copied().filter(|field| !holds_another(field)).collect()
}

/// Returns the fields of a schema, required ones first, each followed by the fields within it.
pub fn fields(schema: &Value) -> Vec<Field> {
    let mut found = vec![];
    inside(&Place::root(schema).applied(), "", false, &mut vec![], &mut found);
    found
}

/// Adds the fields within a value. `open` holds the enclosing schemas, so a recursive one is entered once.
fn inside<'a>(value: &Applied<'a>, path: &str, personal: bool, open: &mut Vec<&'a Value>, found: &mut Vec<Field>) {
    let personal = personal || value.is_personal();
    let own: Vec<&Value> = value.places.iter().map(|place| place.schema).filter(|schema| has_fields(schema)).collect();
    if own.iter().any(|schema| open.iter().any(|outer| std::ptr::eq(*outer, *schema))) {
        return;
    }
    let depth = open.len();
    open.extend(&own);
    for (name, required) in names(value) {
        let of_key = value.of_key(name);
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(Field {
            form: form(&of_key),
            required,
            description: text(&of_key, "description"),
            personal: personal || of_key.is_personal() || of_item(&of_key).is_personal(),
            path: path.clone(),
        });
        inside(&of_key, &path, personal, open, found);
    }
    for keyword in ["items", "additionalProperties"] {
        if value.places.iter().any(|place| place.schema[keyword].is_object()) {
            let held = if keyword == "items" { of_item(value) } else { of_others(value) };
            inside(&held, &format!("{path}/*"), personal, open, found);
        }
    }
    open.truncate(depth);
}

fn has_fields(schema: &Value) -> bool {
    schema["properties"].is_object()
}

/// Returns the names of the fields and whether each is required: required ones first, in the order of `required`.
fn names<'a>(value: &Applied<'a>) -> Vec<(&'a str, bool)> {
    let properties = |schema: &'a Value| schema["properties"].as_object().into_iter().flatten();
    let all: BTreeSet<&str> =
        value.places.iter().flat_map(|place| properties(place.schema)).map(|(name, _)| name.as_str()).collect();
    let mut names: Vec<(&str, bool)> = vec![];
    for place in value.places.iter().filter(|place| place.certain) {
        let required = place.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let new = required.filter(|name| all.contains(name) && !names.contains(&(*name, true))).collect::<Vec<_>>();
        names.extend(new.into_iter().map(|name| (name, true)));
    }
    let optional: Vec<_> = all.into_iter().filter(|name| !names.contains(&(*name, true))).collect();
    names.extend(optional.into_iter().map(|name| (name, false)));
    names
}

fn of_item<'a>(value: &Applied<'a>) -> Applied<'a> {
    value.of_item(0)
}

/// Returns the schemas of the keys that are not named; the empty string stands for any such key.
fn of_others<'a>(value: &Applied<'a>) -> Applied<'a> {
    value.of_key("")
}

fn text(value: &Applied, keyword: &str) -> String {
    value.places.iter().find_map(|place| place.schema[keyword].as_str()).unwrap_or_default().to_owned()
}

/// Formats a type: `string (uuid)`, `list of string`, `0 to 10`.
fn form(value: &Applied) -> String {
    let schemas = || value.places.iter().map(|place| place.schema);
    if let Some(values) = schemas().find_map(|schema| schema["enum"].as_array()) {
        return values.iter().map(plain).collect::<Vec<_>>().join(" | ");
    }
    if let Some(only) = schemas().find_map(|schema| schema.get("const")) {
        return format!("always {}", plain(only));
    }
    let mut types: Vec<&str> = vec![];
    for schema in schemas() {
        let listed = schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in schema["type"].as_str().into_iter().chain(listed) {
            if !types.contains(&name) {
                types.push(name);
            }
        }
    }
    let words: Vec<String> = types.into_iter().map(|name| type_in_words(name, value)).collect();
    let words = if words.is_empty() { "anything".to_owned() } else { words.join(" or ") };
    let limits = limits(value);
    if limits.is_empty() { words } else { format!("{words}, {limits}") }
}

fn type_in_words(name: &str, value: &Applied) -> String {
    let has_others = value.places.iter().any(|place| place.schema["additionalProperties"].is_object());
    match (name, text(value, "format")) {
        ("array", _) => format!("list of {}", form(&of_item(value))),
        ("object", _) if has_others => format!("map of {}", form(&of_others(value))),
        ("string" | "integer" | "number", format) if !format.is_empty() => format!("{name} ({format})"),
        _ => name.to_owned(),
    }
}

fn limits(value: &Applied) -> String {
    let words = [
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
        ("multipleOf", "in steps of"),
        ("minLength", "characters: at least"),
        ("maxLength", "characters: at most"),
        ("minItems", "items: at least"),
        ("maxItems", "items: at most"),
        ("pattern", "like"),
    ];
    let limit = |(keyword, words): &(&str, &str)| {
        let limit = value.places.iter().filter(|place| place.certain).find_map(|place| place.schema.get(keyword))?;
        // Counts commonly have this limit; it is not informative.
        (!(*keyword == "minimum" && *limit == 0)).then(|| format!("{words} {}", plain(limit)))
    };
    words.iter().filter_map(limit).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_listed_with_their_form_and_whether_they_are_always_there() {
        let schema = json!({
            "properties": {
                "people": {"type": "array", "items": {"$ref": "#/$defs/Person"}, "maxItems": 9},
                "at": {"type": "string", "format": "date-time", "description": "when"},
                "state": {"enum": ["on", "off"]},
            },
            "required": ["state", "people"],
            "$defs": {"Person": {
                "type": "object",
                "properties": {"name": {"type": ["string", "null"], "x-personal-data": true}},
                "required": ["name"],
            }},
        });

        let listed = fields(&schema);

        let told: Vec<_> =
            listed.iter().map(|field| (&*field.path, &*field.form, field.required, field.personal)).collect();
        assert_eq!(
            told,
            [
                ("/state", "on | off", true, false),
                ("/people", "list of object, items: at most 9", true, false),
                ("/people/*/name", "string or null", true, true),
                ("/at", "string (date-time)", false, false),
            ]
        );
        assert_eq!(listed[3].description, "when");
    }

    #[test]
    fn a_schema_that_holds_itself_is_entered_once() {
        let schema = json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {"type": "object", "properties": {
                "next": {"$ref": "#/$defs/Node"},
                "by_name": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Node"}},
            }}},
        });

        let paths: Vec<_> = fields(&schema).into_iter().map(|field| field.path).collect();

        assert_eq!(paths, ["/by_name", "/next"]);
    }

    #[test]
    fn a_field_that_only_holds_others_does_not_count() {
        let name = json!({"properties": {"full": {"type": "string"}, "given": {"type": "string"}}});
        let listed = fields(&json!({"properties": {"name": name, "id": {"type": "string"}}}));

        let read = read_of(&listed, &["/name".to_owned(), "/name/full".to_owned()]);

        assert_eq!(read.iter().map(|field| &*field.path).collect::<Vec<_>>(), ["/name/full"]);
        assert_eq!(count(&listed), 3);
    }
}
