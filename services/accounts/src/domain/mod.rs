//! Accounts, sessions and erasures, and their rules.

mod account;
mod erasure;
mod part;
#[rustfmt::skip] // generated
pub mod parts;
mod session;
mod throttle;

pub use account::{Account, AccountRefusal, Changes, Email, Name, Password, WrongPassword};
pub use erasure::{Confirmed, Erasure, Reminders};
pub use part::{OWN, Part};
pub use session::{Device, KnownToken, RefreshRules, Session, SessionOver, Verdict};
pub use throttle::{Failures, Throttle};
