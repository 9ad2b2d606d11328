//! Tests of parked messages and of the commands and pages for them.

mod bench;
mod commands;
mod decisions;
mod pages;
