//! The checks on small repositories: for each rule, one that satisfies it and one that breaks it.

#![allow(clippy::unwrap_used)]

mod broker;
mod compat;
mod consumers;
mod drift;
mod lock;
mod page;
mod readings;
mod released;
mod removal;
mod repository;
mod retirements;
mod versions;
