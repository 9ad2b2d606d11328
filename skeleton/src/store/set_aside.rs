//! Messages that are set aside: waiting for a retry, waiting for a predecessor, or parked.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use events::{Envelope, EnvelopeError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SequencePosition;
use crate::{failure::StoreError, panics::cut};

/// The maximum number of bytes kept of a reason.
const MAX_REASON: usize = 8 * 1024;

/// Suffix of a header name whose value is not text that a store can keep: the value is in base64.
pub(crate) const EXACT: &str = ";base64";

/// Why a message is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum State {
    /// Waits for its next attempt, at its due time.
    Waiting,
    /// Waits for its predecessor in its line.
    Behind,
    /// Parked until an operator decides.
    Parked,
}

impl State {
    /// The word that stores use for the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Behind => "behind",
            Self::Parked => "parked",
        }
    }

    /// Whether an operator may redrive or drop a message in this state.
    pub fn is_for_people(self) -> bool {
        match self {
            Self::Behind | Self::Parked => true,
            Self::Waiting => false,
        }
    }

    /// Parses the word that stores use.
    pub fn from_word(word: &str) -> Self {
        match word {
            "parked" => Self::Parked,
            "behind" => Self::Behind,
            _ => Self::Waiting,
        }
    }
}

/// A message that is set aside, as it was received, and the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// The message's id, or a generated one if the message has no readable id.
    pub message: Uuid,
    /// The queue it came from.
    pub queue: String,
    /// Its full name, as far as it is readable.
    pub name: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Its headers as received.
    pub headers: BTreeMap<String, String>,
    /// Its data as received.
    pub body: Vec<u8>,
    /// Its sequence position, if it must be handled in order.
    pub place: Option<SequencePosition>,
    /// Why it is set aside.
    pub state: State,
    /// The number of failed attempts.
    pub attempts: u32,
    /// The time of its next attempt.
    pub due_at: DateTime<Utc>,
    /// The reason of its last failure.
    pub reason: String,
    /// The stack trace of its last failure, if that was a panic.
    #[serde(default)]
    pub stack: Option<String>,
    /// When it first failed.
    pub first_failed_at: DateTime<Utc>,
    /// When it last failed.
    pub last_failed_at: DateTime<Utc>,
}

/// Reads the envelope from headers that were kept as text.
pub(crate) fn envelope_in(kept: &BTreeMap<String, String>) -> Result<Envelope, EnvelopeError> {
    let exact = |name: &str| {
        let bytes = STANDARD.decode(kept.get(&format!("{name}{EXACT}"))?).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let texts: Vec<(&str, String)> =
        kept.iter().map(|(name, text)| (name.as_str(), exact(name).unwrap_or_else(|| text.clone()))).collect();
    Envelope::from_headers(texts.iter().map(|(name, text)| (*name, text.as_str())))
}

/// Headers as a store has kept them, as JSON. If they are not headers, the message stays listed with them as one text,
/// and its next attempt parks it: its envelope is malformed.
pub(crate) fn kept_headers(json: &str) -> BTreeMap<String, String> {
    serde_json::from_str(json).unwrap_or_else(|_| BTreeMap::from([("(unreadable)".to_owned(), json.to_owned())]))
}

/// Text that every store can keep: NUL, which Postgres refuses, becomes the symbol `␀`, and long text is truncated.
pub(crate) fn keepable(text: &str, most: usize) -> Cow<'_, str> {
    let text = cut(text, most);
    if text.contains('\0') { text.replace('\0', "\u{2400}").into() } else { text.into() }
}

impl SetAside {
    /// Its envelope, read from its headers.
    ///
    /// # Errors
    /// If the headers are not an envelope.
    pub fn envelope(&self) -> Result<Envelope, EnvelopeError> {
        envelope_in(&self.headers)
    }

    /// The message with text that every store can keep.
    pub(crate) fn keepable(self) -> Self {
        Self {
            name: keepable(&self.name, events::MAX_ATTRIBUTE).into_owned(),
            subject: self.subject.map(|subject| keepable(&subject, events::MAX_ATTRIBUTE).into_owned()),
            reason: keepable(&self.reason, MAX_REASON).into_owned(),
            ..self
        }
    }

    /// A parked form of the message that no store can refuse, for a message that the store has refused: headers, name
    /// and subject as ASCII in one header. With its data, or with only its length.
    pub(crate) fn reduced(&self, refused: &StoreError, with_data: bool) -> Self {
        let Self { name, subject, headers, .. } = self;
        let ascii = |text: String| cut(&text.escape_default().to_string(), 64 * 1024).to_owned();
        let as_it_came = ascii(format!("{name:?} {subject:?} {headers:?}"));
        let note = if with_data { String::new() } else { format!(" without its {} bytes of data", self.body.len()) };
        let reason = format!(
            "the store refused the original message ({refused}); kept{note}; original failure: {}",
            self.reason
        );
        Self {
            name: "(refused by the store)".to_owned(),
            subject: None,
            place: None,
            headers: BTreeMap::from([("as-it-came".to_owned(), as_it_came)]),
            body: if with_data { self.body.clone() } else { Vec::new() },
            state: State::Parked,
            reason: cut(&ascii(reason), 1024).to_owned(),
            stack: None,
            ..self.clone()
        }
    }
}

/// The lines in which to look for messages whose predecessor has been handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorsToCheck {
    /// All lines.
    All,
    /// Only these: no other line has advanced since it was checked.
    These(Vec<String>),
}

/// Selects set-aside messages. A missing criterion matches every message.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Filter {
    /// Only this message.
    #[arg(long)]
    pub id: Option<Uuid>,
    /// Only messages of this full name, as in `contacts.contact-added.v1`.
    #[arg(long)]
    pub name: Option<String>,
    /// Only messages about this subject.
    #[arg(long)]
    pub subject: Option<String>,
    /// Only messages whose reason contains this text.
    #[arg(long)]
    pub reason: Option<String>,
    /// Only messages that came from this queue, as in `contacts.events`.
    #[arg(long)]
    pub queue: Option<String>,
    /// Only messages that first failed at this time or later: `2026-11-01` or `2026-11-01T09:30` (UTC).
    #[arg(long, value_parser = moment)]
    pub since: Option<DateTime<Utc>>,
    /// Only messages that first failed before this time.
    #[arg(long, value_parser = moment)]
    pub until: Option<DateTime<Utc>>,
    /// Only messages with at least this number of failed attempts.
    #[arg(long)]
    pub attempts: Option<u32>,
    /// Only messages in this state; `None` matches every state.
    #[arg(skip)]
    pub state: Option<State>,
}

impl Filter {
    /// Selects this message in any state.
    pub fn of(message: Uuid) -> Self {
        Self { id: Some(message), ..Self::default() }
    }

    /// Restricts the filter to one state.
    #[must_use]
    pub fn in_state(self, state: State) -> Self {
        Self { state: Some(state), ..self }
    }
}

/// Parses a time as an operator writes it: RFC 3339, or a date with or without a time of day, in UTC.
///
/// # Errors
/// Returns a description of the accepted formats.
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let day = || Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    let of_day = || {
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    };
    let found = text.parse().ok().or_else(|| Some(day().or_else(of_day)?.and_utc()));
    found.ok_or_else(|| "write a time as 2026-11-01, 2026-11-01T09:30 or 2026-11-01T09:30:00Z".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_written_short_and_is_then_utc() {
        let midnight: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().unwrap();

        for text in ["2026-11-01", "2026-11-01T00:00", "2026-11-01T00:00:00", "2026-11-01T01:00:00+01:00"] {
            assert_eq!(moment(text), Ok(midnight), "{text}");
        }
        assert!(moment("yesterday").is_err());
    }
}
