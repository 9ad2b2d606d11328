//! The names of indices and aliases on the server.

use super::index_plan::IndexPlan;
use crate::failure::StoreError;

/// Generates the names of a service's indices.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
    plans: &'static [IndexPlan],
    is_beside: bool,
}

impl Names {
    /// Creates names with this prefix.
    ///
    /// # Errors
    /// Fails if the prefix cannot begin an index name.
    pub fn new(prefix: &str, plans: &'static [IndexPlan]) -> Result<Self, StoreError> {
        let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        if prefix.is_empty() || prefix.len() > 100 || prefix.starts_with('-') || !prefix.chars().all(allowed) {
            return Err(StoreError::broken("prefix: use lowercase letters, digits and -, at most 100"));
        }
        Ok(Self { prefix: prefix.to_owned(), plans, is_beside: false })
    }

    /// The names of the indices that are built beside those in use; the skeleton's own stay the same.
    pub fn beside(&self) -> Self {
        Self { is_beside: true, ..self.clone() }
    }

    /// The alias of an index in any version.
    pub fn alias(&self, name: &str) -> String {
        let is_beside = self.is_beside && self.plans.iter().any(|plan| plan.name == name);
        format!("{}-{name}{}", self.prefix, if is_beside { "-beside" } else { "" })
    }

    /// One version of an index; rebuilt ones end in `-r1`, `-r2` and so on.
    pub fn index(&self, name: &str, version: u32) -> String {
        format!("{}-{name}-v{version}", self.prefix)
    }

    /// All versions of these indices.
    pub fn pattern(&self, plans: &[IndexPlan]) -> String {
        let patterns: Vec<String> = plans.iter().map(|plan| format!("{}-{}-v*", self.prefix, plan.name)).collect();
        patterns.join(",")
    }
}
