//! The commands.

mod files;
mod log_line;
mod logs;
mod new_service;

pub use files::{check, generate, list};
pub use logs::Logs;
pub use new_service::NewService;
