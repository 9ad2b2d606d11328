//! A body with limits on its size and time.

mod frames;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{BodyProgress, Fault};

/// Beyond the idle timeout, a body gets one second per this many bytes, so that single bytes cannot extend it.
const SLOWEST_BYTES_PER_SECOND: u64 = 8 * 1024;

/// A request's body with limits on its size and on the time it may take.
pub(in crate::http) struct GuardedBody<B> {
    body: B,
    progress: BodyProgress,
    received: u64,
    limit: u64,
    patience: Duration,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<B> GuardedBody<B> {
    pub(in crate::http) fn new(body: B, limit: u64, patience: Duration, progress: BodyProgress) -> Self {
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
