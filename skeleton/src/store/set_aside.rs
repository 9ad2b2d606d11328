//! A message that has to wait: for its next attempt, or for a person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::messaging::order::Place;

/// What a set-aside message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    pub place: Option<Place>,
    /// What it waits for.
    pub state: State,
    /// How often it has failed.
    pub attempts: u32,
    /// When it may be handled again.
    pub due_at: DateTime<Utc>,
    /// Why it failed last.
    pub reason: String,
    /// When it failed first.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed last.
    pub last_failed_at: DateTime<Utc>,
}

/// Which set-aside messages are meant; what is not given lets everything through.
#[derive(Clone, Debug, Default, clap::Args)]
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
    /// Only messages in this state; `None` for both.
    #[arg(skip)]
    pub state: Option<State>,
}
