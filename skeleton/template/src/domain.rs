//! A parcel and its rules. No database, no messages.

use chrono::{DateTime, TimeDelta, Utc};
use skeleton::Refusal;
use uuid::Uuid;

/// How many days a parcel is kept. Longer than the histories of events (30 days): a replayed event adds no parcel that was
/// removed because of its age.
pub const KEPT_DAYS: i64 = 365;

/// The maximum length of a label, in characters.
pub const LONGEST_LABEL: usize = 200;

/// A parcel of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its id.
    pub id: Uuid,
    /// The account that it belongs to.
    pub owner_id: Uuid,
    /// What its owner calls it.
    pub label: String,
    /// When it was added.
    pub added_at: DateTime<Utc>,
}

/// Why a parcel is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParcelRefusal {
    /// The label is empty.
    #[error("the label is empty: enter one")]
    NoLabel,
    /// The label is too long.
    #[error("the label is too long: {LONGEST_LABEL} characters at most")]
    LongLabel,
    /// The account was erased.
    #[error("there is no such account")]
    NoOwner,
}

/// A label without surrounding white space.
///
/// # Errors
/// If it is empty or too long.
pub fn label(text: &str) -> Result<String, ParcelRefusal> {
    match text.trim() {
        "" => Err(ParcelRefusal::NoLabel),
        label if label.chars().count() > LONGEST_LABEL => Err(ParcelRefusal::LongLabel),
        label => Ok(label.to_owned()),
    }
}

/// Parcels that were added before this time are removed now.
pub fn kept_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(KEPT_DAYS)
}

impl Refusal for ParcelRefusal {
    fn status(&self) -> u16 {
        match self {
            Self::NoLabel | Self::LongLabel => 422,
            Self::NoOwner => 404,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoLabel => "no-label",
            Self::LongLabel => "label-too-long",
            Self::NoOwner => "not-found",
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::NoLabel | Self::LongLabel => Some("label"),
            Self::NoOwner => None,
        }
    }
}
