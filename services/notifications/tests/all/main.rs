//! The notifications service as a whole, with a real broker, a real Postgres and real SMTP.

#![allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]

mod commands;
mod common;
mod digest;
mod domain;
mod expiry;
mod mail;
mod news;
mod provider;
mod requests;
