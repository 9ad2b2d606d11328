//! A message that has to wait: for its next attempt, or for a person.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use events::{Envelope, EnvelopeError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SequencePosition;
use crate::{failure::StoreError, panics::cut};

/// The most bytes that are kept of a reason.
const MAX_REASON: usize = 8 * 1024;

/// What comes after the name of a header whose bytes are not text that a store can keep: the bytes follow in base64.
pub(crate) const EXACT: &str = ";base64";

/// What a set-aside message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum State {
    /// The next attempt, at its due time.
    Waiting,
    /// The message before it in its line.
    Behind,
    /// A person's word.
    Parked,
}

impl State {
    /// The word that stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Behind => "behind",
            Self::Parked => "parked",
        }
    }

    /// Whether a person may let such a message be handled again, or drop it.
    pub fn is_for_people(self) -> bool {
        match self {
            Self::Behind | Self::Parked => true,
            Self::Waiting => false,
        }
    }

    /// Reads the word that stores keep.
    pub fn from_word(word: &str) -> Self {
        match word {
            "parked" => Self::Parked,
            "behind" => Self::Behind,
            _ => Self::Waiting,
        }
    }
}

/// A message that has to wait, as it came, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetAside {
    /// The message's id; where it has none that can be read, one made for it.
    pub message: Uuid,
    /// The queue it came from.
    pub queue: String,
    /// Its full name, as far as it can be read.
    pub name: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Its headers as they came.
    pub headers: BTreeMap<String, String>,
    /// Its data as it came.
    pub body: Vec<u8>,
    /// Its place, where it must be handled in order.
    pub place: Option<SequencePosition>,
    /// What it waits for.
    pub state: State,
    /// How often it has failed.
    pub attempts: u32,
    /// When it may be handled again.
    pub due_at: DateTime<Utc>,
    /// Why it failed last.
    pub reason: String,
    /// The stack of its last failure, if that was a panic.
    #[serde(default)]
    pub stack: Option<String>,
    /// When it failed first.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed last.
    pub last_failed_at: DateTime<Utc>,
}

/// Reads the envelope in headers that were kept as text.
pub(crate) fn envelope_in(kept: &BTreeMap<String, String>) -> Result<Envelope, EnvelopeError> {
    let exact = |name: &str| {
        let bytes = STANDARD.decode(kept.get(&format!("{name}{EXACT}"))?).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let texts: Vec<(&str, String)> =
        kept.iter().map(|(name, text)| (name.as_str(), exact(name).unwrap_or_else(|| text.clone()))).collect();
    Envelope::from_headers(texts.iter().map(|(name, text)| (*name, text.as_str())))
}

/// Text that every store can keep: NUL, which Postgres refuses, becomes its symbol `␀`, and a long text is cut.
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

    /// The message with texts that every store can keep.
    pub(crate) fn keepable(self) -> Self {
        Self {
            name: keepable(&self.name, events::MAX_ATTRIBUTE).into_owned(),
            subject: self.subject.map(|subject| keepable(&subject, events::MAX_ATTRIBUTE).into_owned()),
            reason: keepable(&self.reason, MAX_REASON).into_owned(),
            ..self
        }
    }

    /// The message parked in a form without anything that a store could refuse, because it refused the message as it came:
    /// headers, name and subject as ASCII in one header. With the data, or with how long it is.
    pub(crate) fn reduced(&self, refused: &StoreError, with_data: bool) -> Self {
        let Self { name, subject, headers, .. } = self;
        let ascii = |text: String| cut(&text.escape_default().to_string(), 64 * 1024).to_owned();
        let as_it_came = ascii(format!("{name:?} {subject:?} {headers:?}"));
        let note = if with_data { String::new() } else { format!(" without its {} bytes of data", self.body.len()) };
        let reason =
            format!("the store refused it as it came ({refused}); kept{note}; it failed because: {}", self.reason);
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

/// In which lines messages that are behind are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinesToCheck {
    /// In all.
    All,
    /// In these: no other has moved on since it was checked.
    These(Vec<String>),
}

/// Which set-aside messages are meant; what is not given lets everything through.
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
    /// Only messages that failed first at this time or later: `2026-11-01` or `2026-11-01T09:30` (UTC).
    #[arg(long, value_parser = moment)]
    pub since: Option<DateTime<Utc>>,
    /// Only messages that failed first before this time.
    #[arg(long, value_parser = moment)]
    pub until: Option<DateTime<Utc>>,
    /// Only messages that have failed this often or oftener.
    #[arg(long)]
    pub attempts: Option<u32>,
    /// Only messages in this state; `None` for every state.
    #[arg(skip)]
    pub state: Option<State>,
}

impl Filter {
    /// Only this message, whatever its state.
    pub fn of(message: Uuid) -> Self {
        Self { id: Some(message), ..Self::default() }
    }

    /// The same, of messages in one state.
    #[must_use]
    pub fn in_state(self, state: State) -> Self {
        Self { state: Some(state), ..self }
    }
}

/// A time as people write it: RFC 3339, or a date with or without a time of day, which is then UTC.
///
/// # Errors
/// How to write it.
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
