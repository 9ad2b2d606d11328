//! Notifications as a whole, on a real broker, a real Postgres and real SMTP.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod commands;
mod common;
mod digest;
mod domain;
mod mail;
mod news;
mod provider;
mod requests;
