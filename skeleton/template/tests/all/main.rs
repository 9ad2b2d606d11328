//! The depot service as a whole, with a real broker and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]

mod expiry;
mod members;
mod requests;
