//! The command line `cargo kith`, run as a program.

#![allow(clippy::unwrap_used, reason = "a test shall fail on an unexpected value")]

mod copy;
mod generate;
mod logs;
mod new_service;
