//! The contacts service as a whole, with a real broker and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]

mod book;
mod cancelling;
mod commands;
mod contacts;
mod expiry;
mod faults;
mod files;
mod imports;
mod snapshots;
