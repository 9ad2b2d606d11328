//! The requests in progress on a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use warp::http::header::CONTENT_TYPE;

use crate::stop::Stop;

/// The requests of one connection: how many arrived, and how many have no complete response yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doing {
    pub(super) seen: u64,
    pub(super) running: usize,
}

/// Held from the head of a request to the last byte of its response.
pub(super) struct Busy(Arc<watch::Sender<Doing>>);

impl Busy {
    pub(super) fn begin(doing: Arc<watch::Sender<Doing>>) -> Self {
        doing.send_modify(|doing| (doing.seen, doing.running) = (doing.seen + 1, doing.running + 1));
        Self(doing)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|doing| doing.running -= 1);
    }
}

/// The body of a response. It keeps its connection busy. An event stream ends when the server stops.
pub(super) struct AnswerBody<B> {
    body: B,
    stopped: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    ended: bool,
    _busy: Busy,
}

/// Wraps a response's body so that an event stream ends when the server stops.
pub(super) fn ending<B>(response: hyper::Response<B>, stop: &Stop, busy: Busy) -> hyper::Response<AnswerBody<B>> {
    let kind = response.headers().get(CONTENT_TYPE);
    let streams = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let stop = stop.clone();
    let stopped = streams.then(|| async move { stop.stopped().await }.boxed());
    response.map(|body| AnswerBody { body, stopped, ended: false, _busy: busy })
}

impl<B: Body<Data = Bytes> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.stopped.as_mut().is_some_and(|stopped| stopped.as_mut().poll(context).is_ready()) {
            self.ended = true;
            // Random, so that the clients do not all reconnect at the same moment.
            let farewell = format!("retry: {}\n\n", rand::random_range(500..2_500));
            return Poll::Ready(Some(Ok(Frame::data(farewell.into()))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.stopped.is_none() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.stopped.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}
