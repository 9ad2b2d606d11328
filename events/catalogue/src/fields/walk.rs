//! Finds the fields of a schema, from the outside in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Field,
    form::{form, of_item, of_others, text},
};
use crate::schema::Applied;

/// Adds the fields within a value. `open` holds the enclosing schemas, so a recursive one is entered once.
pub(super) fn inside<'a>(
    value: &Applied<'a>,
    path: &str,
    personal: bool,
    open: &mut Vec<&'a Value>,
    found: &mut Vec<Field>,
) {
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
