//! The messages of a process, for what knows them only by name.
//!
//! Each owner's package has a [`Package`]. A service's assembly registers those whose messages it uses.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

pub use crate::entry::{Entry, Package};

static PACKAGES: RwLock<BTreeMap<&str, &Package>> = RwLock::new(BTreeMap::new());

/// Makes the messages of a package known by name in this process.
pub fn register(package: &'static Package) {
    if registered(package.service).is_none() {
        PACKAGES.write().unwrap_or_else(PoisonError::into_inner).insert(package.service, package);
    }
}

fn registered(service: &str) -> Option<&'static Package> {
    PACKAGES.read().unwrap_or_else(PoisonError::into_inner).get(service).copied()
}

/// Returns the registered messages.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    let packages: Vec<_> = PACKAGES.read().unwrap_or_else(PoisonError::into_inner).values().copied().collect();
    packages.into_iter().flat_map(|package| package.messages.iter().copied())
}

/// Returns the entry of a registered message by its full name, or `None` if it is not registered.
pub fn find(name: &str) -> Option<&'static Entry> {
    let (service, _) = name.split_once('.')?;
    registered(service)?.find(name)
}
