//! Tests of the Elasticsearch store, on a real server.

mod away;
pub mod bench;
mod confirming;
mod erasing;
mod indices;
mod set_aside;
mod writing;
