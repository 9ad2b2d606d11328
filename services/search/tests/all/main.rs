//! The search service as a whole, with a real broker and a real Elasticsearch.

#![allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]

mod away;
mod common;
mod consuming;
mod finding;
mod privacy;
mod quality;
mod rebuild;
