//! The error for a section that cannot be read.

use std::fmt::{self, Display};

use serde::de::Error;

/// Why a section cannot be read.
#[derive(Debug)]
pub struct Wrong {
    /// The setting whose value is wrong. `None` if the section has an unknown key or lacks one.
    pub setting: Option<String>,
    why: String,
}

impl Wrong {
    pub fn of(self, setting: String) -> Self {
        Self { setting: self.setting.or(Some(setting)), ..self }
    }
}

impl Error for Wrong {
    fn custom<T: Display>(why: T) -> Self {
        Self { setting: None, why: why.to_string() }
    }
}

impl Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.why)
    }
}

impl std::error::Error for Wrong {}
