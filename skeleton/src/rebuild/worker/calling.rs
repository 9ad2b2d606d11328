//! Requests to the owners.

use std::time::Duration;

use events::{Request, Snapshot};
use tokio::time::Instant;

use super::Worker;
use crate::{
    messaging::requests::RequestOptions,
    rebuild::{RebuildError, Rebuildable, Slice, Source, Sum},
};

/// How long requests to an owner that does not answer are repeated.
const TIMEOUT: Duration = Duration::from_secs(60);

impl<S: Rebuildable> Worker<'_, S> {
    /// The owner's sum of a slice.
    pub(super) async fn there<P: Source<S>>(&self, slice: &Slice) -> Result<Sum, RebuildError> {
        let (count, checksum) = P::Snapshot::summed(self.call(&P::Snapshot::sum(slice.digits())).await?);
        Ok(Sum { count, checksum })
    }

    /// Sends a request to an owner, again while it is overloaded or unavailable.
    pub(super) async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, RebuildError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self.rebuilding.requests.call(request, RequestOptions::default()).await {
                Ok(reply) => return Ok(reply),
                Err(problem) if !matches!(problem.status, 429 | 503 | 504) || Instant::now() > deadline => {
                    return Err(RebuildError::Unanswered(problem));
                }
                Err(problem) => {
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(problem.retry_after.unwrap_or(1))) => {}
                        () = self.stop.stopped() => return Err(RebuildError::Stopped),
                    }
                }
            }
        }
    }
}
