//! Masks in edited data: a mask that is left keeps the original value.
//!
//! An operator edits a message with its personal data masked. This module puts the masked values back, by their place.

use serde_json::{Map, Value};

pub use events::MASK;

/// A mask without a value behind it. Names the place, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingBehind {
    /// At this place.
    #[error("{0} is a mask without a value behind it: write the value itself")]
    Mask(String),
    /// In a list whose length has changed: its items cannot be matched.
    #[error("{0} is a list whose length has changed: write the values of its masked items")]
    List(String),
}

/// The edited data with all masked values put back.
///
/// # Errors
/// If a mask has no value behind it, or its place is ambiguous.
pub fn unmasked(name: &str, edited: Value, original: Option<&Value>) -> Result<Value, NothingBehind> {
    let shown = original.map(|original| events::masked(name, original));
    put_back(edited, shown.as_ref().zip(original), "")
}

/// The shown and the original value at a place.
type Before<'a> = Option<(&'a Value, &'a Value)>;

fn put_back(edited: Value, before: Before, path: &str) -> Result<Value, NothingBehind> {
    match edited {
        Value::String(text) if text == MASK => match before {
            Some((shown, original)) if shown == MASK => Ok(original.clone()),
            _ => Err(NothingBehind::Mask(place(path))),
        },
        Value::Array(items) => list(items, before, path).map(Value::Array),
        Value::Object(fields) => object(fields, before, path).map(Value::Object),
        plain => Ok(plain),
    }
}

fn list(items: Vec<Value>, before: Before, path: &str) -> Result<Vec<Value>, NothingBehind> {
    let lists = before.and_then(|(shown, original)| shown.as_array().zip(original.as_array()));
    let lists = lists.filter(|(shown, _)| shown.len() == items.len());
    if lists.is_none() && before.is_some() && items.iter().any(has_mask) {
        return Err(NothingBehind::List(place(path)));
    }
    let item = |(index, item): (usize, Value)| {
        let before = lists.and_then(|(shown, original)| shown.get(index).zip(original.get(index)));
        put_back(item, before, &format!("{path}/{index}"))
    };
    items.into_iter().enumerate().map(item).collect()
}

fn object(fields: Map<String, Value>, before: Before, path: &str) -> Result<Map<String, Value>, NothingBehind> {
    let objects = before.and_then(|(shown, original)| shown.as_object().zip(original.as_object()));
    let mut whole = Map::new();
    for (field, value) in fields {
        let path = format!("{path}/{field}");
        if field == MASK {
            // Fields that the schema does not name share one mask.
            let (shown, original) = objects
                .filter(|(shown, _)| shown.contains_key(MASK) && value == MASK)
                .ok_or(NothingBehind::Mask(path))?;
            let hidden = original.iter().filter(|(field, _)| !shown.contains_key(*field));
            for (field, value) in hidden {
                whole.entry(field.clone()).or_insert_with(|| value.clone());
            }
            continue;
        }
        let before = objects.and_then(|(shown, original)| shown.get(&field).zip(original.get(&field)));
        whole.insert(field, put_back(value, before, &path)?);
    }
    Ok(whole)
}

fn has_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MASK,
        Value::Array(items) => items.iter().any(has_mask),
        Value::Object(fields) => fields.iter().any(|(field, value)| field == MASK || has_mask(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn place(path: &str) -> String {
    if path.is_empty() { "the whole".to_owned() } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAME: &str = "contacts.contact-added.v2";

    fn original() -> Value {
        json!({
            "contact_id": "c", "name": { "full": "Zoë" }, "emails": ["zoe@example.org", "z@example.org"],
            "added_at": "not a time", "nickname": "Zo", "age": 7
        })
    }

    fn edited(change: impl FnOnce(&mut Value)) -> Result<Value, NothingBehind> {
        events::catalogue::register(&contacts_events::PACKAGE);
        let mut data = events::masked(NAME, &original());
        change(&mut data);
        unmasked(NAME, data, Some(&original()))
    }

    #[test]
    fn what_is_behind_masks_stays_and_what_was_edited_is_new() {
        let mut expected = original();
        expected["added_at"] = json!("2026-11-01T09:30:00Z");

        assert_eq!(edited(|_| ()), Ok(original()));
        assert_eq!(edited(|data| data["added_at"] = json!("2026-11-01T09:30:00Z")), Ok(expected));
    }

    #[test]
    fn fields_that_the_schema_does_not_name_go_with_their_mask() {
        let found = edited(|data| drop(data.as_object_mut().map(|fields| fields.remove(MASK))));

        assert_eq!(
            found.map(|data| (data.get("nickname").cloned(), data["name"]["full"].clone())),
            Ok((None, json!("Zoë")))
        );
    }

    #[test]
    fn a_mask_with_nothing_behind_it_is_refused_with_its_place() {
        let refusals = [
            (edited(|data| data["contact_id"] = json!(MASK)), NothingBehind::Mask("/contact_id".to_owned())),
            (edited(|data| data["name"] = json!({ "given": MASK })), NothingBehind::Mask("/name/given".to_owned())),
            (edited(|data| data["name"][MASK] = json!(MASK)), NothingBehind::Mask(format!("/name/{MASK}"))),
            (edited(|data| data["emails"] = json!([MASK])), NothingBehind::List("/emails".to_owned())),
            (unmasked(NAME, json!(MASK), None), NothingBehind::Mask("the whole".to_owned())),
        ];

        for (found, expected) in refusals {
            assert_eq!(found, Err(expected));
        }
        assert_eq!(
            edited(|data| data["emails"] = json!(["new@example.org"])).map(|data| data["emails"].clone()),
            Ok(json!(["new@example.org"]))
        );
    }
}
