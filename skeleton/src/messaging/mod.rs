//! Messages in and out. Only this module knows the broker; the loops in it know only the traits below.

mod ahead;
pub mod consumer;
pub mod delays;
pub mod handlers;
pub mod history;
pub mod jobs;
pub mod order;
mod postponed;
pub mod rabbit;
mod reader;
pub mod relay;
pub mod requests;
pub mod retry;
pub mod topology;

use std::future::Future;

use bytes::Bytes;
use events::{Envelope, EnvelopeError};
use uuid::Uuid;

pub use crate::store::{Outcome, Outgoing, Publisher};
pub use ahead::SerialHandlers;

/// A message as the broker hands it out.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its place among the deliveries, for acknowledging.
    pub tag: u64,
    /// Its id; where it has none that can be read, one made from its content.
    pub id: Uuid,
    /// Its envelope, where it has one.
    pub envelope: Result<Envelope, EnvelopeError>,
    /// Its headers as they came.
    pub headers: rabbit::Headers,
    /// Its data.
    pub body: Bytes,
    /// How often it was handed out before without an end.
    pub deliveries_before: u32,
    /// Which user of the broker published it, where the broker vouches for that.
    pub user: Option<String>,
    /// Where a reply goes.
    pub reply_to: Option<String>,
}

/// Hands out the messages of one queue.
pub trait Deliveries: Send {
    /// Waits for a message, and takes up to `most` that are there. None at all where there will never be any more. Safe
    /// to drop while waiting: nothing is lost.
    fn next(&mut self, most: usize) -> impl Future<Output = Vec<Incoming>> + Send;

    /// Says that these are done: all that were handed out up to and with the last of them.
    fn acknowledge_through(&mut self, last: &Incoming) -> impl Future<Output = ()> + Send;

    /// Takes no more messages; what is in hand and not acknowledged goes to another.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}
