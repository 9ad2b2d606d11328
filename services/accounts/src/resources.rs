//! The settings, and what handlers find by its type: passwords, tokens and limits.

mod passwords;
mod tokens;

use skeleton::Sections;

pub use passwords::Passwords;
pub use tokens::{RefreshToken, Tokens};

use crate::domain::{Reminders, Throttle};

/// The settings with what is made of them.
pub fn settings() -> Sections {
    Sections::of(include_str!("../config/default.toml"))
        .provides("passwords", Passwords::try_new)
        .provides("tokens", Tokens::try_new)
        .section::<Throttle>("sign_in")
        .provides("erasure", Reminders::try_new)
}
