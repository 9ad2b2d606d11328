//! What the checks say of small repositories: for each rule one that keeps it and one that breaks it.

#![allow(clippy::unwrap_used)]

mod compat;
mod lock;
mod readings;
mod released;
mod repository;
mod versions;
