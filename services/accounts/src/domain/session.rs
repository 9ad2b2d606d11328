//! Sessions, and the rules for refresh tokens.

use chrono::{DateTime, TimeDelta, Utc};
use skeleton::Refusal;
use uuid::Uuid;

/// A sign-in of one browser or program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its unique id.
    pub id: Uuid,
    /// The account that it belongs to.
    pub account_id: Uuid,
    /// When the last access token issued for it expires.
    pub tokens_expire_at: DateTime<Utc>,
}

/// A browser's or program's user agent, without unprintable characters, at most 200 characters long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(String);

/// A refresh token of a session that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownToken {
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// When it was exchanged for its successor.
    pub replaced_at: Option<DateTime<Utc>>,
    /// Whether that successor is the session's newest token.
    pub successor_is_newest: bool,
}

/// The lifetimes of refresh tokens.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRules {
    /// How long a token may stay unused.
    pub lifetime: TimeDelta,
    /// How long a token that was just replaced still returns the same successor.
    pub grace: TimeDelta,
}

/// The result of presenting a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The token is the newest: its successor replaces it.
    Newest,
    /// The token was replaced a moment ago, and its successor is unused: return the same successor again.
    JustReplaced,
    /// The token was unused for too long.
    Expired,
    /// The token was replaced before, so it has two holders and was stolen: the session ends.
    Reused,
}

/// The session has ended or never existed. Does not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this session has ended: sign in again")]
pub struct SessionOver;

impl Device {
    /// Cleans a user agent sent by a client.
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
