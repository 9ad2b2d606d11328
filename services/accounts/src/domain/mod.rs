//! What an account and a session are, and what is refused.

mod account;
mod session;
mod throttle;

pub use account::{Account, AccountRefusal, Changes, Email, Name, Password, WrongPassword};
pub use session::{Device, KnownToken, RefreshRules, Session, SessionOver, Verdict};
pub use throttle::{Failures, Throttle};
