//! Limits the messages that the broker has not confirmed, for each destination.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use lapin::{Channel, Confirmation, PublisherConfirm};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::messaging::rabbit::answered_while_open;

/// The maximum number of unconfirmed messages to one destination. The broker stops reading from a connection after about
/// 400 messages that a queue does not take, and with it the messages to all other queues.
const MOST: usize = 100;

/// Permits for each destination. Clones share their state.
#[derive(Clone)]
pub(super) struct Permits {
    of_each: usize,
    by_destination: Arc<Mutex<HashMap<Cow<'static, str>, Arc<Semaphore>>>>,
}

/// The messages that the broker has not confirmed. Clones share their state.
#[derive(Clone)]
pub(super) struct Unconfirmed(Permits);

/// One message counted as unconfirmed.
pub(super) struct OneMore(OwnedSemaphorePermit);

impl Permits {
    pub(super) fn new(of_each: usize) -> Self {
        Self { of_each, by_destination: Arc::default() }
    }

    pub(super) fn of(&self, destination: impl Into<Cow<'static, str>>) -> Arc<Semaphore> {
        let mut all = self.by_destination.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(destination.into()).or_insert_with(|| Arc::new(Semaphore::new(self.of_each))).clone()
    }
}

impl Unconfirmed {
    pub(super) fn new() -> Self {
        Self(Permits::new(MOST))
    }

    /// Waits until one more message may be sent to a destination. It counts as unconfirmed until the result is dropped.
    pub(super) async fn one_more(&self, destination: impl Into<Cow<'static, str>>) -> Option<OneMore> {
        // It is never closed.
        self.0.of(destination).acquire_owned().await.ok().map(OneMore)
    }

    /// The same, without waiting.
    pub(super) fn one_more_now(&self, destination: impl Into<Cow<'static, str>>) -> Option<OneMore> {
        self.0.of(destination).try_acquire_owned().ok().map(OneMore)
    }
}

impl OneMore {
    /// Waits for the confirm, however long it takes: the broker has the message until then, and the queue may never
    /// respond. `None` if the channel was closed.
    pub(super) async fn confirmed(
        self,
        channel: &Channel,
        confirm: PublisherConfirm,
    ) -> Option<lapin::Result<Confirmation>> {
        let answer = answered_while_open(channel, confirm).await;
        drop(self.0);
        answer
    }
}
