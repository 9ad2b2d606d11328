//! The accounts service as a whole, with a real broker and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]

mod accounts;
mod common;
mod domain;
mod erasures;
mod secrets;
mod sessions;
mod snapshots;
