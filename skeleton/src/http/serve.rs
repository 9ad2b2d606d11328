//! The accept loop, and the orderly stop.

use std::sync::Arc;

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::answer::Answers;
use super::connection::connection;
use super::door::Door;
use super::{HttpSettings, Routes, finish};
use crate::stop::Stop;

/// How many connections may wait in the operating system's queue at the stop.
const BACKLOG: usize = 1_024;

/// What was still running when the drain timed out; both are 0 after a clean stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were closed early.
    pub connections_cut: usize,
    /// Requests whose handlers were still running.
    pub requests_cut: usize,
}

impl Drained {
    /// Whether everything ended in time.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Serves until `stop`, then drains: accepts nothing new, closes each connection after its current requests, ends event
/// streams, and cuts what remains at the deadline.
pub async fn serve(listener: TcpListener, routes: Routes, settings: HttpSettings, stop: Stop) -> Drained {
    // More permits than a semaphore can count would panic.
    let handled_at_once = u32::try_from(settings.max_concurrent_requests).unwrap_or(u32::MAX).min(1 << 20);
    let connected_at_once = settings.max_connections.min(Semaphore::MAX_PERMITS);
    let handling = Arc::new(Semaphore::new(handled_at_once as usize));
    let answers = Arc::new(Answers {
        routes: finish(routes),
        settings: settings.clone(),
        handling: Arc::clone(&handling),
        stop: stop.clone(),
    });
    let door = Door {
        places: Arc::new(Semaphore::new(connected_at_once)),
        by_address: Arc::default(),
        settings: settings.clone(),
    };
    let mut connections = JoinSet::new();

    loop {
        let (stream, place) = tokio::select! {
            biased;
            () = stop.stopped() => break,
            next = door.next(&listener) => next,
        };
        connections.spawn(connection(stream, place, Arc::clone(&answers)));
        while connections.try_join_next().is_some() {}
    }
    // Clients in the operating system's queue are already connected for themselves: they are served, not reset.
    tokio::task::yield_now().await;
    let queued = std::iter::from_fn(|| door.next(&listener).now_or_never());
    for (stream, place) in queued.take(BACKLOG) {
        connections.spawn(connection(stream, place, Arc::clone(&answers)));
    }
    drop(listener);

    let deadline = Instant::now() + settings.drain();
    let _ = timeout_at(deadline, async { while connections.join_next().await.is_some() {} }).await;
    let _ = timeout_at(deadline, handling.acquire_many(handled_at_once)).await;
    let drained = Drained {
        connections_cut: connections.len(),
        requests_cut: handled_at_once as usize - handling.available_permits(),
    };
    connections.shutdown().await;
    if !drained.is_clean() {
        tracing::warn!(connections = drained.connections_cut, requests = drained.requests_cut, "the drain timed out");
    }
    drained
}
