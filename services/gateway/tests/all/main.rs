//! What the public API promises, over real HTTP, on a real broker and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod accounts;
mod contacts;
mod gateway;
mod idempotency;
mod imports;
mod limits;
mod openapi;
mod pages;
mod stream;
mod tokens;
mod traces;
