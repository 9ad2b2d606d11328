//! `<service> parked ...`: the command-line arguments.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum as _};
use uuid::Uuid;

use super::Refused;
use crate::store::{Filter, Signed, State};

/// Commands for messages that are set aside.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List messages, oldest first.
    List(List),
    /// Show one message with personal data masked.
    Show(ShowOne),
    /// Handle messages again, with a fresh set of attempts.
    Redrive(RedriveSome),
    /// Replace the data of one message. The data is checked against the schema of the message's own version. A mask
    /// left in it keeps the value behind it. The message stays parked.
    Edit(EditOne),
    /// Drop messages for good.
    Drop(DropSome),
    /// List decisions, newest first.
    Audit(AuditTrail),
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowOne {
    /// The message's id.
    pub(super) id: Uuid,
    /// Show only its data, in the form that `edit` reads.
    #[arg(long)]
    pub(super) data: bool,
}

/// Arguments of `redrive`.
#[derive(Debug, Args)]
pub struct RedriveSome {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    #[command(flatten)]
    pub(super) signature: Signature,
    /// The maximum number of messages per second.
    #[arg(long)]
    pub(super) rate: Option<NonZeroU32>,
}

/// Arguments of `drop`.
#[derive(Debug, Args)]
pub struct DropSome {
    #[command(flatten)]
    pub(super) chosen: Chosen,
    #[command(flatten)]
    pub(super) signature: Signature,
    /// Confirm dropping more than one message.
    #[arg(long)]
    pub(super) yes: bool,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditTrail {
    /// Only decisions about this message.
    #[arg(long)]
    pub(super) id: Option<Uuid>,
    /// The maximum number of decisions to list.
    #[arg(long, default_value_t = 100)]
    pub(super) limit: i64,
    /// Print one JSON object per line.
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// The state: `parked`, another, or `all`.
    #[arg(long, default_value = "parked", value_parser = States::parse)]
    pub(super) state: States,
    /// The maximum number of messages to list.
    #[arg(long, default_value_t = 100)]
    pub(super) limit: i64,
    /// Print one JSON object per line, without the data.
    #[arg(long)]
    pub(super) json: bool,
}

fn for_people(word: &str) -> Result<State, String> {
    let states: Vec<State> = State::value_variants().iter().copied().filter(|state| state.is_for_people()).collect();
    let words: Vec<_> = states.iter().map(|state| state.as_str()).collect();
    let found = states.iter().find(|state| state.as_str() == word);
    found.copied().ok_or_else(|| format!("use {}", words.join(" or ")))
}

/// One state, or all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct States(pub(super) Option<State>);

impl States {
    fn parse(word: &str) -> Result<Self, String> {
        if word == "all" {
            return Ok(Self(None));
        }
        let known: Vec<_> = State::value_variants().iter().map(|state| state.as_str()).collect();
        let state = State::from_str(word, false).map_err(|_| format!("use {} or all", known.join(", ")))?;
        Ok(Self(Some(state)))
    }
}

/// The selected messages.
#[derive(Debug, Args)]
pub struct Chosen {
    #[command(flatten)]
    pub(super) filter: Filter,
    /// The state: `parked`, or `behind` for messages that wait for an earlier one of their subject.
    #[arg(long, default_value = "parked", value_parser = for_people)]
    pub(super) state: State,
    /// Select all messages in this state if no filter is given.
    #[arg(long)]
    pub(super) all: bool,
    /// Only print which messages would be affected.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The operator and the reason.
#[derive(Debug, Args)]
pub struct Signature {
    /// The operator; kept in the audit trail.
    #[arg(long, env = "USER", hide_env_values = true)]
    pub(super) by: String,
    /// The reason; kept in the audit trail.
    #[arg(long, default_value = "")]
    pub(super) note: String,
}

impl Signature {
    /// The name and the note.
    pub(super) fn read(&self) -> Result<Signed, Refused> {
        Ok(Signed::try_new(&self.by, &self.note)?)
    }
}

/// Arguments of `edit`.
#[derive(Debug, Args)]
pub struct EditOne {
    /// The message's id.
    pub(super) id: Uuid,
    /// The file with the new data; `-` for standard input.
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
