//! The definition of an index.

/// An index of a service.
#[derive(Clone, Copy, Debug)]
pub struct IndexPlan {
    /// Its name, a single word.
    pub name: &'static str,
    /// Incremented with every change of `body`.
    pub version: u32,
    /// The JSON of its `settings` and `mappings`.
    pub body: &'static str,
}
