//! One connection: its requests, its idle time, and its end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::answer::Answers;
use super::busy::{Busy, Doing, ending};
use super::door::ConnectionSlot;
use super::guard::GuardedStream;
use super::protocol::builder;
use crate::stop::Stop;

/// How long an HTTP/2 connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a closing connection may still deliver a request that was on its way.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(super) async fn connection(stream: TcpStream, place: ConnectionSlot, answers: Arc<Answers>) {
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
