//! What the skeleton promises of Elasticsearch, on a real server.

mod away;
mod bench;
#[path = "../black_hole/mod.rs"]
mod black_hole;
mod erasing;
mod indices;
mod set_aside;
mod writing;
