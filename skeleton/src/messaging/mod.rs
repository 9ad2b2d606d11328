//! Messages in and out. Only this module uses the broker; its loops use only the traits below.

mod ahead;
mod apart;
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
pub(crate) mod sender;
pub mod topology;

use std::future::Future;

use bytes::Bytes;
use events::{Envelope, EnvelopeError};
use uuid::Uuid;

pub use crate::store::{Outcome, Outgoing, Publisher};
pub use ahead::SerialHandlers;

/// A message as delivered by the broker.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its delivery tag, for acknowledging.
    pub tag: u64,
    /// Its id; if it has no readable one, an id derived from its content.
    pub id: Uuid,
    /// Its envelope, if it can be read.
    pub envelope: Result<Envelope, EnvelopeError>,
    /// Its headers as received.
    pub headers: rabbit::Headers,
    /// Its data.
    pub body: Bytes,
    /// The number of earlier deliveries without an outcome.
    pub deliveries_before: u32,
    /// The broker's user that published it, if the broker vouches for that.
    pub user: Option<String>,
    /// The reply address.
    pub reply_to: Option<String>,
}

/// Delivers the messages of one queue.
pub trait Deliveries: Send {
    /// Waits for a message, and returns up to `most` available ones. Empty if there will never be any more. Cancel
    /// safe: nothing is lost if the future is dropped.
    fn next(&mut self, most: usize) -> impl Future<Output = Vec<Incoming>> + Send;

    /// Acknowledges all messages delivered up to and including the last of these.
    fn acknowledge_through(&mut self, last: &Incoming) -> impl Future<Output = ()> + Send;

    /// Stops the consumer; unacknowledged messages go to another one.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}
