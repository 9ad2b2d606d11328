//! Reads what comes as what a handler takes: checked against the schema of its exact version, and made newer where it
//! is older.

use std::{collections::BTreeMap, iter, marker::PhantomData};

use events::{
    Excerpt, Message, Validator,
    catalogue::{Entry, entry_of},
    versions::{is_published_beside, older_than, read_as},
};

use crate::failure::{Failure, Problem};

/// Reads one version of a message as what its handler takes.
pub(super) struct Reader<E> {
    pub(super) version: &'static Entry,
    validator: Validator,
    reads: PhantomData<fn() -> E>,
}

impl<E> Clone for Reader<E> {
    fn clone(&self) -> Self {
        Self { version: self.version, validator: self.validator.clone(), reads: PhantomData }
    }
}

impl<E: Excerpt> Reader<E> {
    /// Reads the version that the type is written against.
    pub(super) fn of_its_version() -> Self {
        Self::of(entry_of::<E::Of>())
    }

    /// Reads that version, and every older one.
    pub(super) fn of_all_versions() -> impl Iterator<Item = Self> {
        iter::once(Self::of_its_version()).chain(older_than(E::Of::NAME).map(Self::of))
    }

    fn of(version: &'static Entry) -> Self {
        Self { version, validator: Validator::of(version), reads: PhantomData }
    }

    /// Whether producers write this version.
    pub(super) fn is_published(&self) -> bool {
        self.version.name == E::Of::NAME || is_published_beside(self.version.name)
    }

    /// Keeps what handles this version; a handler written against an older version itself goes before an upcaster.
    pub(super) fn keep<H>(&self, handlers: &mut BTreeMap<&'static str, H>, handler: H) {
        if self.version.name == E::Of::NAME {
            handlers.insert(self.version.name, handler);
        } else {
            handlers.entry(self.version.name).or_insert(handler);
        }
    }

    /// Reads a message's data, checked against the schema of its version. The error names the place, never the value.
    pub(super) fn read(&self, body: &[u8]) -> Result<E, Failure> {
        let name = self.version.name;
        let data = serde_json::from_slice(body).map_err(|error| {
            let detail = format!("the data is no JSON: line {}, column {}", error.line(), error.column());
            Problem::new(400, "malformed-message", detail)
        })?;
        self.validator
            .check(&data)
            .map_err(|violation| Problem::new(400, "schema-violation", violation.to_string()))?;
        let data = read_as(E::Of::NAME, name, data).map_err(Failure::bug)?;
        E::deserialize(data).map_err(|_| {
            Problem::new(400, "malformed-message", format!("the data fits the schema of {name}, not its type")).into()
        })
    }
}
