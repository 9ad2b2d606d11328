//! What a person decides about parked messages, and the trail that it leaves.
//!
//! Nobody changes a parked message without a name: a store writes down who did what in the same transaction. One that
//! has no transactions (Elasticsearch) writes it down first, so that nothing is changed in secret; a decision whose
//! effect then failed is in the trail as well.

use std::future::Future;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Filter, SetAside};
use crate::failure::StoreError;

/// For how many days the trail is kept.
pub const KEPT_DAYS: i64 = 400;

const MAX_NAME: usize = 100;
const MAX_NOTE: usize = 500;

/// A store whose parked messages people look after.
pub trait Decisions: Send + Sync {
    /// The ids of the messages that a filter lets through, oldest first.
    fn ids_of(&self, filter: &Filter, limit: i64) -> impl Future<Output = Result<Vec<Uuid>, StoreError>> + Send;

    /// How many messages that a filter lets through share a name and a reason, the most first.
    fn groups_of(&self, filter: &Filter, limit: i64) -> impl Future<Output = Result<Vec<Group>, StoreError>> + Send;

    /// Lets parked messages be handled again, with all their attempts before them. For messages that are behind: gives
    /// up what is missing before them and is nowhere set aside. Returns how many.
    fn redrive(&self, messages: &[Uuid], signed: &Signed) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Forgets messages that are parked or behind, for good: what comes after them in their line does not wait for them.
    /// Returns how many.
    fn drop_parked(&self, messages: &[Uuid], signed: &Signed) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Gives a parked message other data. False where it is no longer parked with the data that was seen.
    fn edit(
        &self,
        seen: &SetAside,
        data: &[u8],
        signed: &Signed,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What was decided, about one message or all, newest first.
    fn trail(
        &self,
        message: Option<Uuid>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Decision>, StoreError>> + Send;

    /// Forgets what was decided before a moment. Returns how much of it.
    fn forget_decisions(&self, before: DateTime<Utc>) -> impl Future<Output = Result<u64, StoreError>> + Send;
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

/// One line of the trail: the message as it was when somebody decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub decided_at: DateTime<Utc>,
    /// Who.
    pub decided_by: String,
    /// What.
    pub act: Act,
    /// Why, in the person's words.
    pub note: Option<String>,
    /// Which message.
    pub message: Uuid,
    /// Its queue.
    pub queue: String,
    /// Its name.
    pub name: String,
    /// What it was about.
    pub subject: Option<String>,
    /// Why it was parked.
    pub reason: String,
    /// Its data before, where that was edited.
    pub data_before: Option<Fingerprint>,
}

/// What was done to a parked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It may be handled again.
    Redriven,
    /// It got other data.
    Edited,
    /// It was forgotten.
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

    /// Reads the word that stores keep.
    ///
    /// # Errors
    /// Where this build does not know it.
    pub fn parse(word: &str) -> Result<Self, StoreError> {
        let known = [Self::Redriven, Self::Edited, Self::Dropped].into_iter().find(|act| act.as_str() == word);
        known.ok_or_else(|| StoreError::broken(format!("the trail has an act that this build does not know: {word}")))
    }
}

/// What is known of data that is not kept, because it may be personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: i64,
}

impl Fingerprint {
    /// The fingerprint of data.
    pub fn of(data: &[u8]) -> Self {
        let sha256 = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { sha256, bytes: i64::try_from(data.len()).unwrap_or(i64::MAX) }
    }
}

/// Who decides, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    by: String,
    note: Option<String>,
}

/// Why a decision has no name that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// No name.
    #[error("say who decides: a name")]
    Nameless,
    /// One that is no name.
    #[error("the name is too long: {MAX_NAME} characters at most")]
    LongName,
    /// A note that is a story.
    #[error("the note is too long: {MAX_NOTE} characters at most")]
    LongNote,
    /// A line break or another character that changes how a list looks.
    #[error("name and note are one line each, without control characters")]
    ControlCharacter,
}

impl Signed {
    /// A name, and a note that may be empty.
    ///
    /// # Errors
    /// Where either cannot be one line of a list.
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

    /// Who decides.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Why.
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
