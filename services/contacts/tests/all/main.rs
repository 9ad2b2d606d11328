//! Contacts as a whole, on a real broker and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod book;
mod cancelling;
mod contacts;
mod faults;
mod files;
mod imports;
mod snapshots;
