//! How messages and decisions are shown to people: one line, full text, or JSON, with personal data masked.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::store::{Decision, SetAside, State};

/// A time, to the second.
pub(super) fn time(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The message in one line of a list; its id comes first. Its state is shown unless it is parked.
pub(super) fn line(message: &SetAside) -> String {
    let SetAside { message: id, name, state, attempts, first_failed_at, reason, .. } = message;
    let state = if *state == State::Parked { String::new() } else { format!("{}, ", state.as_str()) };
    let attempts = if *attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
    format!("{id}  {name}  {state}{attempts} since {}  {}", time(*first_failed_at), one_line(reason))
}

/// The message without its data, for programs.
pub(super) fn as_json(message: &SetAside) -> Value {
    json!({
        "id": message.message, "name": message.name, "subject": message.subject, "queue": message.queue,
        "state": message.state, "attempts": message.attempts, "reason": message.reason, "stack": message.stack,
        "first_failed_at": message.first_failed_at, "last_failed_at": message.last_failed_at,
        "due_at": message.due_at, "data_bytes": message.body.len(),
    })
}

/// The message's data with personal data masked, in the form that can be edited. `None` if it is not JSON.
pub(super) fn data(message: &SetAside) -> Option<String> {
    let data = serde_json::from_slice(&message.body).ok()?;
    Some(format!("{:#}", events::masked(&message.name, &data)))
}

/// Everything about the message.
pub(super) fn whole(message: &SetAside) -> String {
    let stack = message.stack.as_ref().map(|stack| format!("\nstack\n{stack}")).unwrap_or_default();
    let headers: String = message.headers.iter().map(|(name, value)| format!("\n  {name}: {value}")).collect();
    format!(
        "message {}\nname {}\nsubject {}\nqueue {}\nstate {}\nattempts {}\nfailed first {}, last {}\nreason {}{stack}\nheaders{headers}\ndata ({} bytes) {}",
        message.message,
        message.name,
        message.subject.as_deref().unwrap_or("-"),
        message.queue,
        message.state.as_str(),
        message.attempts,
        message.first_failed_at,
        message.last_failed_at,
        message.reason,
        message.body.len(),
        data(message).as_deref().unwrap_or("not JSON"),
    )
}

/// A decision in one line of a list.
pub(super) fn decision(decision: &Decision) -> String {
    let Decision { decided_at, decided_by, act, message, name, subject, reason, .. } = decision;
    let mut line = format!("{}  {decided_by}  {}  {message}  {name}", time(*decided_at), act.as_str());
    // Writing to a string does not fail.
    let _ = write!(line, "  {}  {}", subject.as_deref().unwrap_or("-"), one_line(reason));
    if let Some(before) = &decision.data_before {
        let _ = write!(line, "  before: {} bytes, sha256 {}", before.bytes, before.sha256);
    }
    if let Some(note) = &decision.note {
        let _ = write!(line, "  note: {note}");
    }
    line
}

/// A list has one line per entry: a reason with line breaks must not look like more entries.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
