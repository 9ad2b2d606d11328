//! Tests of the Elasticsearch store, on a real server.

mod away;
mod bench;
mod confirming;
mod erasing;
mod indices;
mod set_aside;
mod writing;
