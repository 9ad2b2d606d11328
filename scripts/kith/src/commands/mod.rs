//! The commands.

mod files;
mod log_line;
mod logs;

pub use files::{check, generate, list};
pub use logs::Logs;
