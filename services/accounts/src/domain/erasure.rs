//! Erasing an account everywhere: the services that have to confirm, and when they are reminded.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    part::{OWN, Part},
    parts::OTHERS,
};

/// A service's confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// When the service erased its part.
    pub erased_at: DateTime<Utc>,
    /// How many records it removed.
    pub removed: u64,
}

/// The state of an erasure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The id of the receipt.
    pub receipt_id: Uuid,
    /// When the account was deleted.
    pub begun_at: DateTime<Utc>,
    /// When the last service confirmed.
    pub finished_at: Option<DateTime<Utc>>,
    /// How many reminders were sent.
    pub reminders: u32,
    /// By the name of the service.
    confirmed: BTreeMap<String, Confirmed>,
}

/// How long to wait for confirmations before services are reminded: before the first reminder, the second, and so on.
/// The last wait repeats.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminders {
    remind_after_ms: Vec<u32>,
}

impl Erasure {
    /// An erasure that no service has confirmed yet.
    pub fn begin(receipt_id: Uuid, begun_at: DateTime<Utc>) -> Self {
        Self { receipt_id, begun_at, finished_at: None, reminders: 0, confirmed: BTreeMap::new() }
    }

    /// Records a service's confirmation. Returns false if the service confirmed before: the first confirmation is kept.
    pub fn confirm(&mut self, part: Part, confirmed: Confirmed) -> bool {
        let is_new = !self.confirmed.contains_key(part.service);
        self.confirmed.entry(part.service.to_owned()).or_insert(confirmed);
        is_new
    }

    /// Marks the erasure as finished if all services have confirmed. Returns whether it did.
    pub fn finish(&mut self, at: DateTime<Utc>) -> bool {
        let is_complete = self.parts().all(|(_, confirmed)| confirmed.is_some());
        if is_complete {
            self.finished_at = Some(at);
        }
        is_complete
    }

    /// Every service, with its confirmation.
    pub fn parts(&self) -> impl Iterator<Item = (Part, Option<Confirmed>)> {
        let all = [OWN].into_iter().chain(OTHERS.iter().copied());
        all.map(|part| (part, self.confirmed.get(part.service).copied()))
    }
}

impl Reminders {
    /// Validates the waits.
    ///
    /// # Errors
    /// If there is no wait, or one of 0.
    pub fn try_new(settings: Self) -> Result<Self, &'static str> {
        if settings.remind_after_ms.iter().all(|wait| *wait > 0) && !settings.remind_after_ms.is_empty() {
            return Ok(settings);
        }
        Err("remind_after_ms: give at least one wait, each greater than 0")
    }

    /// When services are reminded next, after this many reminders.
    pub fn due(&self, reminders: u32, now: DateTime<Utc>) -> DateTime<Utc> {
        let nth = usize::try_from(reminders).unwrap_or(usize::MAX);
        let wait = self.remind_after_ms.get(nth).or(self.remind_after_ms.last()).copied().unwrap_or_default();
        now + TimeDelta::milliseconds(i64::from(wait))
    }
}
