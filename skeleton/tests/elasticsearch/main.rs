//! What the skeleton promises of Elasticsearch, on a real server.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod away;
mod bench;
#[path = "../black_hole/mod.rs"]
mod black_hole;
mod erasing;
mod indices;
mod set_aside;
mod writing;
