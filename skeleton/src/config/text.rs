//! Parses the text of a variable or a secret file as the type of its field.

mod deserialize;

use std::{fmt::Display, str::FromStr};

use config::{Config, File, FileFormat, Value};
use serde::de::Error;

use super::{masking::shown_text, wrong::Wrong};

/// A text and the name of the setting that holds it.
#[derive(Clone)]
pub(super) struct Text<'a> {
    pub name: String,
    pub text: &'a str,
}

impl Text<'_> {
    fn expected(&self, form: impl Display) -> Wrong {
        let shown = shown_text(&self.name, self.text);
        Wrong::custom(format!("expected {form}, got `{shown}`"))
    }

    fn number<T: FromStr>(&self, form: &str) -> Result<T, Wrong> {
        self.text.trim().parse().map_err(|_| self.expected(form))
    }

    fn truth(&self) -> Result<bool, Wrong> {
        match self.text.trim().to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    /// A list in brackets is TOML. Its elements keep their whitespace.
    fn in_brackets(&self) -> Result<Value, Wrong> {
        let file = File::from_str(&format!("list = {}", self.text.trim()), FileFormat::Toml);
        let read = Config::builder().add_source(file).build().and_then(|read| read.get("list"));
        read.map_err(|_| self.expected("a list such as [1, 2] or [\"one\", \"two\"]"))
    }
}
