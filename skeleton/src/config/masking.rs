//! Hides secrets in displayed settings: those with a secret's name, and passwords in URLs.

use config::{Value, ValueKind};

const HIDDEN: &str = "(hidden)";

/// Parts of names that mean a secret.
const SECRETS: [&str; 6] = ["password", "secret", "pepper", "dsn", "key", "token"];

/// A setting's value as it may be displayed.
pub(super) fn shown(key: &str, value: &Value) -> String {
    match &value.kind {
        _ if is_secret(key) => HIDDEN.to_owned(),
        ValueKind::String(text) => shown_text(key, text),
        ValueKind::Array(list) => {
            let elements: Vec<String> = list.iter().map(|value| shown("", value)).collect();
            format!("[{}]", elements.join(", "))
        }
        ValueKind::Table(keys) => {
            let mut entries: Vec<String> =
                keys.iter().map(|(key, value)| format!("{key} = {}", shown(key, value))).collect();
            entries.sort();
            format!("{{ {} }}", entries.join(", "))
        }
        _ => value.to_string(),
    }
}

/// The same of a setting that is text.
pub(super) fn shown_text(key: &str, text: &str) -> String {
    if is_secret(key) { HIDDEN.to_owned() } else { without_password(text) }
}

/// Whether a setting holds a secret, by its name.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRETS.iter().any(|part| name.contains(part))
}

/// Hides what may be a password in a URL or a connection string: between the user and the last `@`, and everything after
/// a parameter with a secret's name. A malformed URL rather loses too much.
fn without_password(text: &str) -> String {
    let (text, hides_end) = before_secret_parameter(text);
    let masked = match (text.find("//").map_or(0, |at| at + 2), text.rfind('@')) {
        (begin, Some(end)) if begin < end => match text[begin..end].find(':') {
            Some(colon) => format!("{}:{HIDDEN}{}", &text[..begin + colon], &text[end..]),
            None => text.to_owned(),
        },
        _ => text.to_owned(),
    };
    if hides_end { masked + HIDDEN } else { masked }
}

/// The text up to the value of the first parameter with a secret's name, and whether there is one.
fn before_secret_parameter(text: &str) -> (&str, bool) {
    let begins = text.match_indices('=').map(|(at, _)| at).find(|at| {
        let name = text[..*at].trim_end().rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
        name.is_some_and(is_secret)
    });
    match begins {
        Some(at) => (&text[..=at], true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_hidden_and_all_else_is_shown() {
        for (text, expected) in [
            ("postgres://contacts@db:5432/contacts", "postgres://contacts@db:5432/contacts"),
            ("amqp://127.0.0.1:5672/%2f", "amqp://127.0.0.1:5672/%2f"),
            ("Kith <kith@localhost>", "Kith <kith@localhost>"),
            ("postgres://contacts:hunter2@db:5432/contacts", "postgres://contacts:(hidden)@db:5432/contacts"),
            ("amqps://:hunter2@mq/%2f", "amqps://:(hidden)@mq/%2f"),
            ("bolt://neo4j:hunter2/@hunter2@graph", "bolt://neo4j:(hidden)@graph"),
            ("contacts:hunter2@db/contacts", "contacts:(hidden)@db/contacts"),
            ("postgres:/contacts:hunter2@db", "postgres:(hidden)@db"),
            (
                "postgres://db/contacts?sslmode=require&password=hunter2",
                "postgres://db/contacts?sslmode=require&password=(hidden)",
            ),
            ("host=db user=contacts PASSWORD = 'hunter2 a=b'", "host=db user=contacts PASSWORD =(hidden)"),
            ("0 8 * * MON", "0 8 * * MON"),
        ] {
            assert_eq!(shown("url", &Value::new(None, text)), expected);
        }
    }

    #[test]
    fn lists_and_tables_hide_their_secrets_too() {
        let list = vec!["http://a:hunter2@b".to_owned(), "c".to_owned()];
        assert_eq!(shown("urls", &Value::new(None, list)), "[http://a:(hidden)@b, c]");
        let table = [("password".to_owned(), "hunter2".to_owned()), ("user".to_owned(), "u".to_owned())];
        let table: std::collections::HashMap<_, _> = table.into_iter().collect();
        assert_eq!(shown("login", &Value::new(None, table)), "{ password = (hidden), user = u }");
    }
}
