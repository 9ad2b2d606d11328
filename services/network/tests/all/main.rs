//! Network as a whole, on a real broker and a real Neo4j.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod accounts;
mod backlogs;
mod contacts;
mod graphs;
mod paths;
mod people;
mod rebuild;
