//! What things are called on the server.

use super::plan::IndexPlan;
use crate::failure::StoreError;

/// Where a service's documents are.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// Names that begin with a prefix.
    ///
    /// # Errors
    /// Where the prefix cannot begin an index's name.
    pub fn new(prefix: &str) -> Result<Self, StoreError> {
        let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if prefix.is_empty() || prefix.len() > 100 || prefix.starts_with('-') || !prefix.chars().all(allowed) {
            return Err(StoreError::broken("prefix: use lowercase letters, digits and -, at most 100"));
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// The alias that stands for an index whatever its version.
    pub fn alias(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// One version of an index.
    pub fn index(&self, name: &str, version: u32) -> String {
        format!("{}-{name}-v{version}", self.prefix)
    }

    /// All versions of these indices.
    pub fn pattern(&self, plans: &[IndexPlan]) -> String {
        let patterns: Vec<String> = plans.iter().map(|plan| format!("{}-{}-v*", self.prefix, plan.name)).collect();
        patterns.join(",")
    }
}
