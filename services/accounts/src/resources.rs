//! The settings, and the resources that handlers look up by type: passwords, tokens and limits.

mod passwords;
mod tokens;

use skeleton::Sections;

pub use passwords::Passwords;
pub use tokens::{RefreshToken, Tokens};

use crate::domain::{Reminders, Throttle};

/// The settings and the resources built from them.
pub fn settings() -> Sections {
    Sections::of(include_str!("../config/default.toml"))
        .provides("passwords", Passwords::try_new)
        .provides("tokens", Tokens::try_new)
        .section::<Throttle>("sign_in")
        .provides("erasure", Reminders::try_new)
}
