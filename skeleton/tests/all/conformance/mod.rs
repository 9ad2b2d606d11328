//! The messaging's assumptions about every store and the broker: one suite for the real ones and the in-memory ones, so
//! that the simulation models the real behaviour.

pub mod bench;
mod broker;
mod inbox;
mod lines;
mod outbox;
mod set_aside;

pub use bench::{QUEUE, waiting};

/// Runs tests on every store with an outbox.
macro_rules! on_each_store {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $case() { super::$case(crate::conformance::bench::memory().await).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $case() { super::$case(crate::conformance::bench::postgres().await).await; })*
        }
        mod neo4j {
            $(#[tokio::test] async fn $case() { super::$case(crate::conformance::bench::neo4j().await).await; })*
        }
    };
}
pub(crate) use on_each_store;
