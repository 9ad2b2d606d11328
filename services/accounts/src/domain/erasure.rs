//! Erasing an account everywhere: which services must say that they have, and when they are told again.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A service that keeps something of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// This service.
    Accounts,
    /// Address books.
    Contacts,
    /// Live streams and kept answers.
    Gateway,
    /// Who knows whom.
    Network,
    /// What members are told.
    Notifications,
    /// What can be found.
    Search,
}

/// What a service has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// When its part was done.
    pub erased_at: DateTime<Utc>,
    /// How many records it removed.
    pub removed: u64,
}

/// An erasure that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Opens the receipt.
    pub receipt_id: Uuid,
    /// When the account was deleted.
    pub begun_at: DateTime<Utc>,
    /// When the last service had confirmed.
    pub finished_at: Option<DateTime<Utc>>,
    /// How often services were told again.
    pub reminders: u32,
    confirmed: BTreeMap<Part, Confirmed>,
}

/// How long to wait for confirmations before services are told again: after the first time, the second, and so on; the
/// last wait holds from then on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminders {
    remind_after_ms: Vec<u32>,
}

impl Part {
    /// All of them: an erasure is finished when each has confirmed.
    pub const ALL: [Self; 6] =
        [Self::Accounts, Self::Contacts, Self::Gateway, Self::Network, Self::Notifications, Self::Search];

    /// The service's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Contacts => "contacts",
            Self::Gateway => "gateway",
            Self::Network => "network",
            Self::Notifications => "notifications",
            Self::Search => "search",
        }
    }

    /// What the log says of its confirmation.
    pub fn step(self) -> &'static str {
        match self {
            Self::Accounts => "accounts has erased its part",
            Self::Contacts => "contacts has erased its part",
            Self::Gateway => "gateway has erased its part",
            Self::Network => "network has erased its part",
            Self::Notifications => "notifications has erased its part",
            Self::Search => "search has erased its part",
        }
    }
}

impl Erasure {
    /// An erasure that nobody has confirmed yet.
    pub fn begin(receipt_id: Uuid, begun_at: DateTime<Utc>) -> Self {
        Self { receipt_id, begun_at, finished_at: None, reminders: 0, confirmed: BTreeMap::new() }
    }

    /// Notes that a service has done its part. False where it has said so before: the first word counts.
    pub fn confirm(&mut self, part: Part, confirmed: Confirmed) -> bool {
        let is_new = !self.confirmed.contains_key(&part);
        self.confirmed.entry(part).or_insert(confirmed);
        is_new
    }

    /// Notes that all is done, where it is.
    pub fn finish(&mut self, at: DateTime<Utc>) -> bool {
        let is_complete = Part::ALL.iter().all(|part| self.confirmed.contains_key(part));
        if is_complete {
            self.finished_at = Some(at);
        }
        is_complete
    }

    /// Every service, and what it has confirmed.
    pub fn parts(&self) -> impl Iterator<Item = (Part, Option<Confirmed>)> {
        Part::ALL.into_iter().map(|part| (part, self.confirmed.get(&part).copied()))
    }
}

impl Reminders {
    /// The waits.
    ///
    /// # Errors
    /// Where there is none, or one of no time.
    pub fn try_new(settings: Self) -> Result<Self, &'static str> {
        if settings.remind_after_ms.iter().all(|wait| *wait > 0) && !settings.remind_after_ms.is_empty() {
            return Ok(settings);
        }
        Err("remind_after_ms: give at least one wait, none of them 0")
    }

    /// When services are told again, after this many times.
    pub fn due(&self, reminders: u32, now: DateTime<Utc>) -> DateTime<Utc> {
        let nth = usize::try_from(reminders).unwrap_or(usize::MAX);
        let wait = self.remind_after_ms.get(nth).or(self.remind_after_ms.last()).copied().unwrap_or_default();
        now + TimeDelta::milliseconds(i64::from(wait))
    }
}
