//! What the messaging takes for granted of every store and of the broker: one suite, run against the real ones and
//! against those in memory, so that the simulation shows what is so.

pub mod bench;
mod broker;
mod inbox;
mod lines;
mod outbox;
mod set_aside;

pub use bench::{QUEUE, waiting};

/// Runs cases on every store that keeps an outbox.
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
