//! What the skeleton promises of Elasticsearch, on a real server.

mod away;
mod bench;
mod confirming;
mod erasing;
mod indices;
mod set_aside;
mod writing;
