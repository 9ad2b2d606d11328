//! The type and limits of a field, in words.

use serde_json::Value;

use crate::schema::Applied;

pub(super) fn of_item<'a>(value: &Applied<'a>) -> Applied<'a> {
    value.of_item(0)
}

/// Returns the schemas of the keys that are not named; the empty string stands for any such key.
pub(super) fn of_others<'a>(value: &Applied<'a>) -> Applied<'a> {
    value.of_key("")
}

pub(super) fn text(value: &Applied, keyword: &str) -> String {
    value.places.iter().find_map(|place| place.schema[keyword].as_str()).unwrap_or_default().to_owned()
}

/// Formats a type: `string (uuid)`, `list of string`, `0 to 10`.
pub(super) fn form(value: &Applied) -> String {
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
