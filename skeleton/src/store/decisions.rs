//! Decisions about parked messages, and their audit trail.
//!
//! Every change of a parked message is signed with a name: the store records the decision in the same transaction. A
//! store without transactions (Elasticsearch) records it first, so that no change goes unrecorded. There, a decision
//! whose effect then failed is in the trail as well.

use std::future::Future;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Filter, SetAside};
use crate::failure::StoreError;

/// The number of days that the audit trail is kept.
pub const KEPT_DAYS: i64 = 400;

const MAX_NAME: usize = 100;
const MAX_NOTE: usize = 500;

/// A store with parked messages for people to decide about.
pub trait Decisions: Send + Sync {
    /// The ids of the messages that match a filter, oldest first.
    fn ids_of(&self, filter: &Filter, limit: i64) -> impl Future<Output = Result<Vec<Uuid>, StoreError>> + Send;

    /// Counts the messages that match a filter by name and reason, the largest group first.
    fn groups_of(&self, filter: &Filter, limit: i64) -> impl Future<Output = Result<Vec<Group>, StoreError>> + Send;

    /// Redrives parked messages with all their attempts. For messages that wait for a predecessor: gives up the missing
    /// numbers before them that are not set aside. Returns the number of messages.
    fn redrive(&self, messages: &[Uuid], signed: &Signed) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Drops messages that are parked or wait for a predecessor, permanently: later messages of their line do not wait
    /// for them. Returns the number of messages.
    fn drop_parked(&self, messages: &[Uuid], signed: &Signed) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Replaces the data of a parked message. Returns false if it is no longer parked with the data that was seen.
    fn edit(
        &self,
        seen: &SetAside,
        data: &[u8],
        signed: &Signed,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The decisions about one message or all, newest first.
    fn trail(
        &self,
        message: Option<Uuid>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Decision>, StoreError>> + Send;

    /// The time by the clock that decisions are recorded with: the store's, if it writes the time.
    fn clock(&self) -> impl Future<Output = Result<DateTime<Utc>, StoreError>> + Send;

    /// Deletes at most `limit` decisions made before a time. Returns their number.
    fn forget_decisions(
        &self,
        before: DateTime<Utc>,
        limit: i64,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// Messages that failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// Their name.
    pub name: String,
    /// Their reason.
    pub reason: String,
    /// How many there are.
    pub messages: i64,
}

/// An entry in the audit trail, with the message as it was at the time of the decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// The operator.
    pub decided_by: String,
    /// The action.
    pub act: Act,
    /// The operator's reason.
    pub note: Option<String>,
    /// The message.
    pub message: Uuid,
    /// Its queue.
    pub queue: String,
    /// Its name.
    pub name: String,
    /// Its subject.
    pub subject: Option<String>,
    /// Why it was parked.
    pub reason: String,
    /// Its data before the edit, if it was edited.
    pub data_before: Option<Fingerprint>,
}

/// What was done with a parked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It was redriven.
    Redriven,
    /// Its data was replaced.
    Edited,
    /// It was dropped.
    Dropped,
}

impl Act {
    /// The word that stores keep and people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redriven => "redriven",
            Self::Edited => "edited",
            Self::Dropped => "dropped",
        }
    }

    /// Parses the word that stores keep.
    ///
    /// # Errors
    /// Fails if this build does not know the word.
    pub fn parse(word: &str) -> Result<Self, StoreError> {
        let known = [Self::Redriven, Self::Edited, Self::Dropped].into_iter().find(|act| act.as_str() == word);
        known.ok_or_else(|| StoreError::broken(format!("unknown action in the audit trail: {word}")))
    }
}

/// A fingerprint of data that is not kept because it may be personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: i64,
}

impl Fingerprint {
    /// Computes the fingerprint of data.
    pub fn of(data: &[u8]) -> Self {
        let sha256 = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { sha256, bytes: i64::try_from(data.len()).unwrap_or(i64::MAX) }
    }
}

/// The operator who decides, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    by: String,
    note: Option<String>,
}

/// Why a signature is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// The name is missing.
    #[error("enter the name of the operator who decides")]
    Nameless,
    /// The name is too long.
    #[error("the name is too long: {MAX_NAME} characters at most")]
    LongName,
    /// The note is too long.
    #[error("the note is too long: {MAX_NOTE} characters at most")]
    LongNote,
    /// A line break or another character that would change how a list looks.
    #[error("name and note must each be one line without control characters")]
    ControlCharacter,
}

impl Signed {
    /// Creates a signature from a name and an optional note.
    ///
    /// # Errors
    /// Fails if either does not fit on one line of a list.
    pub fn try_new(by: &str, note: &str) -> Result<Self, NotSigned> {
        let (by, note) = (by.trim(), note.trim());
        if by.is_empty() {
            return Err(NotSigned::Nameless);
        }
        if by.chars().count() > MAX_NAME {
            return Err(NotSigned::LongName);
        }
        if note.chars().count() > MAX_NOTE {
            return Err(NotSigned::LongNote);
        }
        if by.chars().chain(note.chars()).any(char::is_control) {
            return Err(NotSigned::ControlCharacter);
        }
        Ok(Self { by: by.to_owned(), note: (!note.is_empty()).then(|| note.to_owned()) })
    }

    /// The operator.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// The reason.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_needs_a_name_and_both_are_one_line() {
        assert_eq!(Signed::try_new("  ", "why"), Err(NotSigned::Nameless));
        assert_eq!(Signed::try_new("Zoë", "why\nnot"), Err(NotSigned::ControlCharacter));
        assert_eq!(Signed::try_new("\u{1b}[31mZoë", ""), Err(NotSigned::ControlCharacter));
        assert_eq!(Signed::try_new(&"o".repeat(MAX_NAME + 1), ""), Err(NotSigned::LongName));
        assert_eq!(Signed::try_new("Zoë", &"o".repeat(MAX_NOTE + 1)), Err(NotSigned::LongNote));
        assert_eq!(Signed::try_new(" Zoë ", " ").map(|signed| (signed.by, signed.note)), Ok(("Zoë".to_owned(), None)));
    }

    #[test]
    fn a_fingerprint_is_the_standard_one() {
        let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

        assert_eq!(Fingerprint::of(b""), Fingerprint { sha256: of_nothing.to_owned(), bytes: 0 });
    }
}
