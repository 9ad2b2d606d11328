//! The catalogue of a small fictional repository: orders are placed and billed.
#![allow(clippy::unwrap_used)]

mod asyncapi;
mod build;
mod pages;
mod repository;
