//! New data for a parked message, checked before it is stored.

use events::{Validator, catalogue};
use serde_json::Value;

use super::{Refused, masks::unmasked};
use crate::store::{MAX_BODY, SetAside, Signed, State, Store};

/// New data for a parked message, checked and not yet stored.
pub struct Edit {
    seen: SetAside,
    data: Vec<u8>,
    /// How it was checked.
    pub checked: Checked,
}

/// How new data was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Against the schema of the message's own version, and its type.
    Schema(&'static str),
    /// Only as JSON: this build has no schema of that name.
    JsonAlone,
}

impl Edit {
    /// Checks new data for a message as it was read. Masks keep the values behind them.
    ///
    /// # Errors
    /// If the message is not parked, or the data does not match its name: with the place and the rule.
    pub fn of(seen: SetAside, text: &[u8]) -> Result<Self, Refused> {
        if seen.state != State::Parked {
            return Err(Refused::NotParked(seen.message, seen.state));
        }
        let not_json = |error: serde_json::Error| Refused::NotJson { line: error.line(), column: error.column() };
        let edited: Value = serde_json::from_slice(text).map_err(not_json)?;
        let original: Option<Value> = serde_json::from_slice(&seen.body).ok();
        let data = unmasked(&seen.name, edited, original.as_ref())?;
        let body = data.to_string().into_bytes();
        if body.len() > MAX_BODY {
            return Err(Refused::TooLarge(body.len()));
        }
        Ok(Self { checked: check(&seen.name, data)?, data: body, seen })
    }

    /// Whether it changes anything.
    pub fn is_change(&self) -> bool {
        self.data != self.seen.body
    }

    /// The length of the new data.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Stores it. The message stays parked.
    ///
    /// # Errors
    /// If the message has changed since it was read, or the store fails.
    pub async fn keep<S: Store>(&self, store: &S, signed: &Signed) -> Result<(), Refused> {
        if store.edit(&self.seen, &self.data, signed).await? {
            return Ok(());
        }
        Err(Refused::Changed(self.seen.message))
    }
}

fn check(name: &str, data: Value) -> Result<Checked, Refused> {
    let Some(version) = catalogue::find(name) else { return Ok(Checked::JsonAlone) };
    Validator::of(version).check(&data)?;
    // The type's own error would repeat the value.
    (version.round_trip)(events::with_whole_numbers(data)).map_err(|_| Refused::NotItsType(version.name))?;
    Ok(Checked::Schema(version.name))
}
