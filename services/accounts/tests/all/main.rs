//! Accounts as a whole, on a real broker and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod accounts;
mod common;
mod domain;
mod erasures;
mod secrets;
mod sessions;
mod snapshots;
