//! `<service> parked ...`: what can be typed.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum as _};
use uuid::Uuid;

use super::Refused;
use crate::store::{Filter, Signed, State};

/// What can be done with messages that are set aside.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them, oldest first.
    List(List),
    /// Show one whole, personal data masked.
    Show(ShowOne),
    /// Handle them again, with all attempts before them.
    Redrive(RedriveSome),
    /// Give one other data. It is checked against the schema of the message's own version; a mask left in it stands
    /// for what is behind it. The message stays parked.
    Edit(EditOne),
    /// Forget them for good.
    Drop(DropSome),
    /// Who decided what, newest first.
    Audit(AuditTrail),
}

/// Which message is shown.
#[derive(Debug, Args)]
pub struct ShowOne {
    /// The message's id.
    pub(super) id: Uuid,
    /// Only its data, as `edit` takes it.
    #[arg(long)]
    pub(super) data: bool,
}

/// Which messages are handled again, and how fast.
#[derive(Debug, Args)]
pub struct RedriveSome {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    #[command(flatten)]
    pub(super) signature: Signature,
    /// Not more than so many in a second.
    #[arg(long)]
    pub(super) rate: Option<NonZeroU32>,
}

/// Which messages are forgotten.
#[derive(Debug, Args)]
pub struct DropSome {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    #[command(flatten)]
    pub(super) signature: Signature,
    /// More than one is meant.
    #[arg(long)]
    pub(super) yes: bool,
}

/// Which decisions are listed.
#[derive(Debug, Args)]
pub struct AuditTrail {
    /// Only about this message.
    #[arg(long)]
    pub(super) id: Option<Uuid>,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    pub(super) limit: i64,
    /// One JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which messages are listed, and how.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// In which state: `parked`, another, or `all`.
    #[arg(long, default_value = "parked", value_parser = States::parse)]
    pub(super) state: States,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    pub(super) limit: i64,
    /// One JSON object a line, without the data.
    #[arg(long)]
    pub(super) json: bool,
}

fn for_people(word: &str) -> Result<State, String> {
    let states: Vec<State> = State::value_variants().iter().copied().filter(|state| state.is_for_people()).collect();
    let words: Vec<_> = states.iter().map(|state| state.as_str()).collect();
    let found = states.iter().find(|state| state.as_str() == word);
    found.copied().ok_or_else(|| format!("say {}", words.join(" or ")))
}

/// One state, or every one.
#[derive(Clone, Copy, Debug)]
pub(super) struct States(pub(super) Option<State>);

impl States {
    fn parse(word: &str) -> Result<Self, String> {
        if word == "all" {
            return Ok(Self(None));
        }
        let known: Vec<_> = State::value_variants().iter().map(|state| state.as_str()).collect();
        let state = State::from_str(word, false).map_err(|_| format!("say {} or all", known.join(", ")))?;
        Ok(Self(Some(state)))
    }
}

/// Which messages are meant.
#[derive(Debug, Args)]
pub struct Chosen {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// In which state: `parked`, or `behind` for those that wait for an earlier one of their subject.
    #[arg(long, default_value = "parked", value_parser = for_people)]
    pub(super) state: State,
    /// Choose all in this state, where no filter is given.
    #[arg(long)]
    pub(super) all: bool,
    /// Only say which it would be.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Who decides, and why.
#[derive(Debug, Args)]
pub struct Signature {
    /// Who decides; kept in the audit trail.
    #[arg(long, env = "USER", hide_env_values = true)]
    pub(super) by: String,
    /// Why; kept in the audit trail.
    #[arg(long, default_value = "")]
    pub(super) note: String,
}

impl Signature {
    /// The name and the note.
    pub(super) fn read(&self) -> Result<Signed, Refused> {
        Ok(Signed::try_new(&self.by, &self.note)?)
    }
}

/// Which message gets which data.
#[derive(Debug, Args)]
pub struct EditOne {
    /// The message's id.
    pub(super) id: Uuid,
    /// The file with the new data; `-` for the standard input.
    #[arg(long)]
    pub(super) data: PathBuf,
    /// Handle the message again at once.
    #[arg(long)]
    pub(super) redrive: bool,
    /// Only check the data.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) signature: Signature,
}
