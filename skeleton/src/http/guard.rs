//! Limits on size, speed and duration of what passes over a connection.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Beyond the idle timeout, a body gets one second per this many bytes, so that single bytes cannot extend it.
const SLOWEST_BYTES_PER_SECOND: u64 = 8 * 1024;
/// How long a closing connection is still read, so that the caller receives the response instead of a reset.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1024 * 1024;

/// A connection whose peer must read what is written to it.
pub(super) struct GuardedStream<S> {
    stream: S,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> GuardedStream<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stalled: None, linger: None }
    }

    fn guard<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.guard(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.guard(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends the output, then keeps reading briefly. Closing with unread bytes would reset the connection, and a caller
    /// that is still sending a refused body would not see why.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let (deadline, left) = this.linger.get_or_insert_with(|| (Box::pin(sleep(LINGER)), LINGER_BYTES));
        let mut space = [0; 4096];
        while *left > 0 && deadline.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut this.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len()),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Why a body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge,
    TooSlow,
}

/// The progress of reading a body, shared with the code that waits for the handler.
#[derive(Clone, Debug)]
pub(super) struct BodyProgress(Arc<Mutex<Progress>>);

#[derive(Clone, Copy, Debug)]
struct Progress {
    last: Instant,
    waiting: bool,
    fault: Option<Fault>,
}

impl BodyProgress {
    pub(super) fn begin() -> Self {
        Self(Arc::new(Mutex::new(Progress { last: Instant::now(), waiting: false, fault: None })))
    }

    /// When the body last progressed, or when the request began.
    pub(super) fn last(&self) -> Instant {
        self.get().last
    }

    /// Whether a handler is waiting for the caller to send more.
    pub(super) fn is_waiting(&self) -> bool {
        self.get().waiting
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.get().fault
    }

    fn get(&self) -> Progress {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A request's body with limits on its size and on the time it may take.
pub(super) struct GuardedBody<B> {
    body: B,
    progress: BodyProgress,
    received: u64,
    limit: u64,
    patience: Duration,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<B> GuardedBody<B> {
    pub(super) fn new(body: B, limit: u64, patience: Duration, progress: BodyProgress) -> Self {
        Self { body, progress, received: 0, limit, patience, waited: Duration::ZERO, waiting: None }
    }

    fn fail<T>(&self, fault: Fault) -> Poll<Option<Result<T, io::Error>>> {
        self.progress.set(|progress| progress.fault = Some(fault));
        Poll::Ready(Some(Err(io::Error::other(match fault {
            Fault::TooLarge => "the body is too large",
            Fault::TooSlow => "the body arrives too slowly",
        }))))
    }

    /// Only the time spent waiting for the caller counts: a handler may pause between two pieces.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.waiting.is_none() {
            let allowed = self.patience + Duration::from_secs(self.received / SLOWEST_BYTES_PER_SECOND);
            let now = Instant::now();
            let until = now + self.patience.min(allowed.saturating_sub(self.waited));
            self.waiting = Some((now, Box::pin(sleep_until(until))));
            self.progress.set(|progress| progress.waiting = true);
        }
        match &mut self.waiting {
            Some((_, until)) => until.as_mut().poll(context),
            None => Poll::Pending,
        }
    }

    fn went_on(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
        self.progress.set(|progress| (progress.last, progress.waiting) = (Instant::now(), false));
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if let Some(fault) = this.progress.fault() {
            return this.fail(fault);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            ready!(this.wait(context));
            return this.fail(Fault::TooSlow);
        };
        this.went_on();
        let frame = frame.transpose().map_err(io::Error::other)?;
        this.received += frame.as_ref().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        if this.received > this.limit {
            return this.fail(Fault::TooLarge);
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
