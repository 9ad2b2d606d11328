//! A session, and when a refresh token may still be used.

use chrono::{DateTime, TimeDelta, Utc};
use skeleton::Refusal;
use uuid::Uuid;

/// What one browser or program is signed in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Tells it from all others.
    pub id: Uuid,
    /// Whose it is.
    pub account_id: Uuid,
    /// When the last access token given out for it expires by itself.
    pub tokens_expire_at: DateTime<Utc>,
}

/// The browser or program, as it calls itself: without what cannot be shown, and not longer than 200 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(String);

/// A refresh token that was given out for a session that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownToken {
    /// When it was given out.
    pub issued_at: DateTime<Utc>,
    /// When it was exchanged for its successor.
    pub replaced_at: Option<DateTime<Utc>>,
    /// Whether that successor is still the session's newest token.
    pub successor_is_newest: bool,
}

/// How long refresh tokens may be used.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRules {
    /// How long a token may stay unused.
    pub lifetime: TimeDelta,
    /// How long a token that was just replaced is answered with its successor once more.
    pub grace: TimeDelta,
}

/// What becomes of a session whose refresh token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the newest: its successor takes its place.
    Newest,
    /// It was replaced a moment ago, and its successor has not been used: the same successor again.
    JustReplaced,
    /// It stayed unused for too long.
    Expired,
    /// It was replaced before: one of two who hold it has stolen it, so the session ends.
    Reused,
}

/// The session has ended, or never was. Does not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this session is over: sign in again")]
pub struct SessionOver;

impl Device {
    /// Takes a name as it comes from outside.
    pub fn new(text: &str) -> Self {
        let name: String = text.chars().filter(|letter| !letter.is_control()).take(200).collect();
        if name.trim().is_empty() { Self("unknown".to_owned()) } else { Self(name) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KnownToken {
    /// What presenting this token now means.
    pub fn judge(&self, rules: &RefreshRules, now: DateTime<Utc>) -> Verdict {
        match self.replaced_at {
            None if now - self.issued_at > rules.lifetime => Verdict::Expired,
            None => Verdict::Newest,
            Some(at) if self.successor_is_newest && now - at <= rules.grace => Verdict::JustReplaced,
            Some(_) => Verdict::Reused,
        }
    }
}

impl Refusal for SessionOver {
    fn status(&self) -> u16 {
        401
    }

    fn code(&self) -> &'static str {
        "session-over"
    }
}
