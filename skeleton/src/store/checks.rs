//! Checks of a message before it is written. Otherwise the broker or a store would refuse it later, together with its
//! neighbours.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use events::{MAX_SUBJECT, Message, Request, Validator, catalogue::Entry, versions};
use serde_json::Value;

use crate::failure::{Failure, Problem};

/// The maximum size of a message's data. Beyond it, the broker would close the channel that other messages share.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// The maximum size of an index key. Postgres refuses more than a third of a page.
const MAX_KEY: usize = 1024;

static VALIDATORS: LazyLock<Mutex<HashMap<String, Option<Validator>>>> = LazyLock::new(Mutex::default);

/// Checks the size of a message's data.
pub(crate) fn size(body: &str) -> Result<(), Failure> {
    if body.len() > MAX_BODY {
        let detail = format!("a message of {} kB is too large: the limit is 256 kB", body.len() / 1024);
        return Err(Problem::new(413, "message-too-large", detail).into());
    }
    Ok(())
}

/// Checks the size of a received message's data. If it is too large, it is parked without its data.
pub(crate) fn received_size(bytes: usize) -> Result<(), Problem> {
    if bytes <= MAX_BODY {
        return Ok(());
    }
    let detail = format!("a message of {} kB is too large: the limit is 256 kB; its data is not kept", bytes / 1024);
    Err(Problem::new(413, "message-too-large", detail))
}

/// The maximum size of a reply: pages of many entries are larger than an event. Also the broker's `max_message_size`.
pub(crate) const MAX_REPLY: usize = 4 * 1024 * 1024;

/// Checks the size of a reply. Beyond it, the broker would close the channel that other replies share.
pub(crate) fn reply_size(bytes: usize) -> Result<(), Problem> {
    if bytes <= MAX_REPLY {
        return Ok(());
    }
    let detail = format!("a reply of {} kB is too large: the limit is 4 MB; ask for fewer at once", bytes / 1024);
    Err(Problem::new(507, "reply-too-large", detail))
}

/// Checks a subject: it becomes a header, which has to fit into a frame, and an index key.
pub(crate) fn subject(subject: Option<&str>) -> Result<(), Failure> {
    subject.map_or(Ok(()), |subject| text(subject, "subject", MAX_SUBJECT))
}

/// Checks the key of a job.
pub(crate) fn key(key: &str) -> Result<(), Failure> {
    text(key, "key", MAX_KEY)
}

fn text(text: &str, what: &str, limit: usize) -> Result<(), Failure> {
    if text.len() > limit {
        let detail = format!("a {what} of {} bytes is too long: the limit is {limit} bytes", text.len());
        return Err(Problem::new(413, &format!("{what}-too-long"), detail).into());
    }
    if text.contains('\0') {
        return Err(Problem::new(422, &format!("{what}-invalid"), format!("a {what} must not contain NUL")).into());
    }
    Ok(())
}

/// In tests and debug builds, checks data against the schema of its version, and its downcast versions against theirs.
/// A release build trusts the types.
pub(crate) fn schema<M: Message>(body: &[u8]) -> Result<(), Failure> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    check(M::NAME, || Some(M::ENTRY), body)?;
    for (older, body) in versions::beside(M::ENTRY, body).map_err(Failure::bug)? {
        check(older.name, || Some(older), &body)?;
    }
    Ok(())
}

/// Does the same for the reply to a request.
pub(crate) fn reply<R: Request>(body: &[u8]) -> Result<(), Failure> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    let reply = || {
        let schema: Value = serde_json::from_str(R::SCHEMA).ok()?;
        R::package().find(&format!("{}.{}", R::SERVICE, schema["x-kith"]["reply"].as_str()?))
    };
    let of_reply = format!("the reply to {}", R::NAME);
    check(&of_reply, reply, body)
}

/// Checks data with the validator of this name, which is created on first use.
fn check(name: &str, entry: impl FnOnce() -> Option<&'static Entry>, body: &[u8]) -> Result<(), Failure> {
    let data = serde_json::from_slice(body).map_err(|_| Failure::bug(format!("{name}: the data is not JSON")))?;
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = validators.entry(name.to_owned()).or_insert_with(|| entry().map(Validator::of));
    let Some(validator) = validator else { return Ok(()) };
    let broken = |violation| Failure::bug(format!("the message to send violates its schema: {violation}"));
    validator.check(&data).map_err(broken)
}
