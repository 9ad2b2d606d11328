//! States that must not occur.

use std::fmt;

/// A state that must not occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bug {
    /// What happened.
    pub text: String,
    /// The stack, if the handler panicked.
    pub stack: Option<String>,
}

impl fmt::Display for Bug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
