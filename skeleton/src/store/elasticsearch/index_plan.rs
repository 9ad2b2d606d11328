//! What an index is made with.

/// An index that a service keeps.
#[derive(Clone, Copy, Debug)]
pub struct IndexPlan {
    /// Its name, one plain word.
    pub name: &'static str,
    /// Counts up with every change of `body`.
    pub version: u32,
    /// What makes it: the JSON of `settings` and `mappings`.
    pub body: &'static str,
}
