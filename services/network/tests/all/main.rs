//! The network service as a whole, with a real broker and a real Neo4j.

#![allow(clippy::unwrap_used, reason = "a test should panic on the unexpected")]

mod accounts;
mod backlogs;
mod contacts;
mod graphs;
mod paths;
mod people;
mod rebuild;
