//! Search as a whole, on a real broker and a real Elasticsearch.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod away;
mod common;
mod consuming;
mod finding;
mod privacy;
mod quality;
mod rebuild;
