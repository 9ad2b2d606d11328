//! What the skeleton promises of parked messages and the people who look after them.

mod bench;
mod commands;
mod decisions;
mod pages;
