//! Personal data: what a schema marks with `x-personal-data` is not shown to those who only look after messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex},
};

use serde_json::Value;

use crate::{catalogue::find, fields::fields_of};

/// What is shown in place of personal data.
pub const MASK: &str = "•••";

/// The data of a message with everything masked that its schema marks as personal, and that it does not name.
///
/// Of a message that this build does not know, every text is masked.
pub fn masked(name: &str, data: &Value) -> Value {
    let shown = shown_fields(name);
    mask(data, "", shown.as_deref())
}

/// The fields that may be shown. `None` where the message is unknown.
fn shown_fields(name: &str) -> Option<std::sync::Arc<BTreeSet<String>>> {
    type Known = BTreeMap<&'static str, std::sync::Arc<BTreeSet<String>>>;
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let entry = find(name)?;
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let shown = known.entry(entry.name).or_insert_with(|| {
        let fields = fields_of(entry).into_iter();
        std::sync::Arc::new(fields.filter(|(_, personal)| !personal).map(|(path, _)| path).collect())
    });
    Some(shown.clone())
}

fn mask(value: &Value, path: &str, shown: Option<&BTreeSet<String>>) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(field, value)| {
                let named = format!("{path}/{}", field.replace('~', "~0").replace('/', "~1"));
                let any = format!("{path}/*");
                let is_key_of_map = shown.is_some_and(|shown| !shown.contains(&named) && shown.contains(&any));
                (field.clone(), mask(value, if is_key_of_map { &any } else { &named }, shown))
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| mask(item, &format!("{path}/*"), shown)).collect(),
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(_) if shown.is_none() => value.clone(),
        _ if shown.is_some_and(|shown| shown.contains(path)) => value.clone(),
        _ => MASK.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_marked_or_unknown_is_masked_and_the_rest_is_shown() {
        let data = json!({
            "contact_id": "c", "name": {"full": "Zoë", "given": "Zoë"}, "emails": ["zoe@example.org"], "surprise": "Zoë",
            "added_at": "2026-11-01T09:30:00Z"
        });

        assert_eq!(
            masked("contacts.contact-added.v2", &data),
            json!({
                "contact_id": "c", "name": {"full": MASK, "given": MASK}, "emails": [MASK], "surprise": MASK,
                "added_at": "2026-11-01T09:30:00Z"
            })
        );
        assert_eq!(masked("shop.sold.v1", &json!({"to": "Zoë", "count": 3})), json!({"to": MASK, "count": 3}));
    }
}
