//! The accept loop: limits on connections, their idle time, and the orderly stop.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::answer::{Answers, Busy, Doing, ending};
use super::guard::GuardedStream;
use super::{HttpSettings, Routes, finish};
use crate::stop::Stop;

const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
const MAX_STREAMS: u32 = 100;
/// How long an HTTP/2 connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a closing connection may still deliver a request that was on its way.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// How many connections may wait in the operating system's queue at the stop.
const BACKLOG: usize = 1_024;
const ACCEPT_BACK_OFF: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

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

/// Admits connections while there is room for them.
struct Door {
    places: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    settings: HttpSettings,
}

/// The slot of a connection, freed when it is dropped.
struct ConnectionSlot {
    address: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Door {
    /// The next connection that there is room for.
    async fn next(&self, listener: &TcpListener) -> (TcpStream, ConnectionSlot) {
        loop {
            let permit = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
            let (stream, address) = accept(listener).await;
            match self.place(address, permit) {
                Some(place) => return (stream, place),
                None => metrics::counter!("http_connections_refused_total").increment(1),
            }
        }
    }

    fn place(&self, address: IpAddr, permit: OwnedSemaphorePermit) -> Option<ConnectionSlot> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        if *count >= self.settings.max_connections_per_address && self.settings.trusted_proxies == 0 {
            return None;
        }
        *count += 1;
        Some(ConnectionSlot { address, by_address: Arc::clone(&self.by_address), _permit: permit })
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    let [mut back_off, longest] = ACCEPT_BACK_OFF;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip().to_canonical()),
            // Usually too many open files: an immediate retry would only use CPU.
            Err(error) => {
                tracing::warn!(failure = %error, "failed to accept a connection");
                sleep(back_off).await;
                back_off = longest.min(back_off * 2);
            }
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, place: ConnectionSlot, answers: Arc<Answers>) {
    // Sends small responses at once. If it cannot be set, they are delayed.
    let _ = stream.set_nodelay(true);
    let settings = &answers.settings;
    let (doing, watched) = watch::channel(Doing::default());
    let doing = Arc::new(doing);
    let peer = place.address;
    let service = service_fn(|request| {
        let (answers, busy) = (Arc::clone(&answers), Busy::begin(Arc::clone(&doing)));
        async move {
            let response = answers.answer(request, peer).await;
            Ok::<_, Infallible>(ending(response, &answers.stop, busy))
        }
    });
    let builder = builder(settings);
    let stream = TokioIo::new(GuardedStream::new(stream, settings.body_idle_timeout()));
    let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = idle(watched.clone(), settings.header_timeout(), KEEP_ALIVE) => {}
        () = stopping(&answers.stop, watched.clone()) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = idle(watched, LAST_REQUEST, LAST_REQUEST) => {}
    }
}

/// Waits until a connection has sent no request for a while.
async fn idle(mut watched: watch::Receiver<Doing>, first: Duration, between: Duration) {
    let mut patience = first;
    loop {
        let Ok(seen) = watched.wait_for(|doing| doing.running == 0).await.map(|doing| doing.seen) else { return };
        if timeout(patience, watched.wait_for(|doing| doing.seen > seen)).await.is_err() {
            return;
        }
        patience = between;
    }
}

/// Waits until a connection should close because the server stops. A new connection may send its request first.
async fn stopping(stop: &Stop, mut watched: watch::Receiver<Doing>) {
    stop.stopped().await;
    let _ = timeout(LAST_REQUEST, watched.wait_for(|doing| doing.seen > 0)).await;
}

fn builder(settings: &HttpSettings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout())
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
