//! Settings whose value is in a file of its own.

use std::fs;

use config::{Value, ValueKind};

use super::Settings;

/// Names a file that connections read themselves; it is not a secret file.
const CA_FILE: &str = "tls_ca_file";

impl Settings {
    /// Replaces each key that ends in `_file` by the content of that file.
    pub(super) fn take_in_secret_files(&mut self) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        for (section, value) in &mut self.sections {
            let ValueKind::Table(keys) = &mut value.kind else { continue };
            let named: Vec<String> =
                keys.keys().filter(|key| key.ends_with("_file") && *key != CA_FILE).cloned().collect();
            for key in named {
                let path = keys.remove(&key).map(|value| value.to_string()).unwrap_or_default();
                let plain = key.trim_end_matches("_file").to_owned();
                let is_set = keys.get(&plain).is_some_and(|value| !value.to_string().is_empty());
                match fs::read_to_string(&path) {
                    Ok(_) if is_set => errors.push(format!("[{section}] {plain} and {key} are both set: remove one")),
                    Ok(secret) => {
                        let secret = ValueKind::String(without_line_end(&secret).to_owned());
                        keys.insert(plain, Value::new(Some(&path), secret));
                    }
                    Err(error) => errors.push(format!("[{section}] {key}: the file {path} cannot be read: {error}")),
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// The content of a file, without the trailing newline that editors and `echo` add.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
