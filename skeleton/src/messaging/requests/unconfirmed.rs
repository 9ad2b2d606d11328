//! Limits the requests that the broker has not confirmed, for each called service.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The maximum number of unconfirmed requests to one service. The broker stops reading from a connection after about
/// 400 messages that a queue does not take, and with it the requests to all other services.
const MOST: usize = 100;

/// The requests that the broker has not confirmed. Clones share their state.
#[derive(Clone, Default)]
pub(super) struct Unconfirmed {
    by_service: Arc<Mutex<HashMap<&'static str, Arc<Semaphore>>>>,
}

impl Unconfirmed {
    /// Waits until one more request may be sent to a service. It counts as unconfirmed until the result is dropped.
    pub(super) async fn one_more(&self, service: &'static str) -> Option<OwnedSemaphorePermit> {
        let limit = {
            let mut by_service = self.by_service.lock().unwrap_or_else(PoisonError::into_inner);
            by_service.entry(service).or_insert_with(|| Arc::new(Semaphore::new(MOST))).clone()
        };
        // It is never closed.
        limit.acquire_owned().await.ok()
    }
}
