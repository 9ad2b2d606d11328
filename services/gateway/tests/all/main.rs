//! The contract of the public API, over real HTTP, with a real broker and a real Postgres.

#![allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]

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
