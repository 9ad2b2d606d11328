//! Whether a store is still the one that this process has migrated.

use std::sync::{Arc, OnceLock};

use crate::failure::StoreError;

/// The time of a store's first migration, as text: another one means another store. Clones share their state.
#[derive(Clone, Default)]
pub(super) struct Migrated(Arc<OnceLock<String>>);

impl Migrated {
    /// Notes it after a migration. A later one does not change it.
    pub(super) fn note(&self, first: Option<String>) {
        if let Some(first) = first {
            let _ = self.0.set(first);
        }
    }

    /// Whether this process has migrated the store.
    #[cfg(feature = "postgres")]
    pub(super) fn is_noted(&self) -> bool {
        self.0.get().is_some()
    }

    /// Compares it with that of the store now.
    pub(super) fn check(&self, server: &str, now: Option<&str>) -> Result<(), StoreError> {
        let is_known = now.is_some_and(|now| self.0.get().is_none_or(|first| first == now));
        if is_known { Ok(()) } else { Err(StoreError::unmigrated(server)) }
    }
}
