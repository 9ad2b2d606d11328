//! Deserialises a received message into its handler's type: checked against the schema of its exact version, and upcast
//! if it is older.

use std::{collections::BTreeMap, iter, marker::PhantomData};

use events::{
    Excerpt, Message, Validator,
    catalogue::Entry,
    versions::{is_published_beside, older_than, read_as},
    whole_numbers_in, with_whole_numbers,
};

use serde_json::Value;

use crate::failure::{Failure, Problem};

/// Reads one version of a message as its handler's type.
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
    /// A reader of the version that the type is written against.
    pub(super) fn of_its_version() -> Self {
        Self::of(E::Of::ENTRY)
    }

    /// Readers of that version, and of every older one.
    pub(super) fn of_all_versions() -> impl Iterator<Item = Self> {
        iter::once(Self::of_its_version()).chain(older_than(E::Of::ENTRY).map(Self::of))
    }

    fn of(version: &'static Entry) -> Self {
        Self { version, validator: Validator::of(version), reads: PhantomData }
    }

    /// Whether producers write this version.
    pub(super) fn is_published(&self) -> bool {
        self.version.name == E::Of::NAME || is_published_beside(E::Of::ENTRY, self.version)
    }

    /// Stores the handler of this version; a handler written against an older version takes precedence over an upcast.
    pub(super) fn keep<H>(&self, handlers: &mut BTreeMap<&'static str, H>, handler: H) {
        if self.version.name == E::Of::NAME {
            handlers.insert(self.version.name, handler);
        } else {
            handlers.entry(self.version.name).or_insert(handler);
        }
    }

    /// Reads a message's data, checked against the schema of its version. The error names the location, never the
    /// value.
    pub(super) fn read(&self, body: &[u8]) -> Result<E, Failure> {
        let name = self.version.name;
        let data = serde_json::from_slice(body).map_err(|error| {
            let detail = format!("the data is not valid JSON: line {}, column {}", error.line(), error.column());
            Problem::new(400, "malformed-message", detail)
        })?;
        self.validator
            .check(&data)
            .map_err(|violation| Problem::new(400, "schema-violation", violation.to_string()))?;
        self.as_its_type(data)?.map_err(|_| {
            let detail = match self.misfit(body) {
                Some(place) => format!("{place} is a whole number outside the range of its field in {name}"),
                None => format!("the data fits the schema of {name}, but not its type"),
            };
            Problem::new(400, "malformed-message", detail).into()
        })
    }

    fn as_its_type(&self, data: Value) -> Result<serde_json::Result<E>, Failure> {
        let newest = read_as(E::Of::ENTRY, self.version, with_whole_numbers(data)).map_err(Failure::bug)?;
        Ok(E::deserialize(newest))
    }

    /// The location of a whole number that its field cannot hold, in data that cannot be read. The data is readable
    /// with 1 in place of every whole number, and is not with 1 in place of every other one.
    fn misfit(&self, body: &[u8]) -> Option<String> {
        let data: Value = serde_json::from_slice(body).ok()?;
        let places = whole_numbers_in(&data);
        if places.len() > PROBED {
            return None;
        }
        let is_readable_with = |kept: &str| {
            let mut probe = data.clone();
            for place in places.iter().filter(|place| *place != kept) {
                if let Some(number) = probe.pointer_mut(place) {
                    *number = 1.into();
                }
            }
            self.as_its_type(probe).is_ok_and(|read| read.is_ok())
        };
        // No location has this name.
        is_readable_with("none").then(|| places.iter().find(|place| !is_readable_with(place)).cloned())?
    }
}

/// The maximum number of whole numbers among which the one is found that its field cannot hold: each costs a reading of
/// the data.
const PROBED: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contacts_events::ImportFile;

    use super::Reader;

    #[test]
    fn a_whole_number_is_read_however_it_is_written_and_one_too_large_is_refused_with_its_place() {
        let reader = Reader::<ImportFile>::of_its_version();
        let read = |position: &str| {
            let id = "7c0f3c1e-3b1f-4f0e-9d0a-5b8f6a1d2c33";
            reader.read(format!("{{\"import_id\":\"{id}\",\"position\":{position}}}").as_bytes())
        };

        for (written, position) in [("1", 1), ("1.0", 1), ("1e0", 1), ("10.0e-1", 1), ("4294967295.0", u32::MAX)] {
            assert_eq!(read(written).unwrap().position, position, "{written}");
        }
        for written in ["1.5", "1e300", "5000000000", "99999999999999999999"] {
            let refused = read(written).unwrap_err().to_string();
            assert!(refused.contains("/position"), "{written}: {refused}");
        }
    }

    #[test]
    fn among_many_whole_numbers_the_one_that_is_too_large_is_not_looked_for() {
        let reader = Reader::<ImportFile>::of_its_version();
        let id = "7c0f3c1e-3b1f-4f0e-9d0a-5b8f6a1d2c33";
        let others = vec!["1"; 100_000].join(",");
        let body = format!("{{\"import_id\":\"{id}\",\"position\":5000000000,\"others\":[{others}]}}");

        let refused = reader.read(body.as_bytes()).unwrap_err().to_string();

        assert!(refused.contains("fits the schema of contacts.import-file.v1, but not its type"), "{refused}");
    }
}
