//! Removal of expired entries: inbox entries, finished jobs, and other data that a service keeps for a limited time.
//!
//! It removes small batches until nothing is left, so it keeps up with any rate at which entries expire. After each
//! batch it pauses as long as the batch took: it never uses more than half of one connection, and less the busier the
//! store is.

use std::{future::Future, sync::Arc, time::Duration};

use metrics::{counter, gauge};
use tokio::time::Instant;
use tracing::warn;

use crate::{
    failure::StoreError,
    stop::Stop,
    store::{KEPT_DAYS, ServiceContext, Store},
};

/// The number of entries in one batch.
pub const BATCH: i64 = 1000;

/// The interval between two searches for expired entries.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(60);

/// The time for which a replica that has removed a batch may continue alone.
const TURN: Duration = Duration::from_secs(30);

/// The shortest pause after a batch, so that other work gets its turn.
const REST: Duration = Duration::from_millis(1);

/// Removes expired entries of a kind in batches until none is left or the service stops, and returns their number.
/// `remove` removes at most the given number of entries, and returns how many it removed.
///
/// # Errors
/// The error of the batch that failed. Entries removed before it stay removed.
pub async fn remove_expired<Out>(
    kind: &'static str,
    stop: &Stop,
    remove: impl Fn(i64) -> Out,
) -> Result<u64, StoreError>
where
    Out: Future<Output = Result<u64, StoreError>>,
{
    let mut removed = 0;
    loop {
        let begun = Instant::now();
        let batch = remove(BATCH).await?;
        removed += batch;
        counter!("expired_removed_total", "kind" => kind).increment(batch);
        let is_last = batch < BATCH.unsigned_abs();
        gauge!("expired_left", "kind" => kind).set(f64::from(u8::from(!is_last)));
        if is_last || stop.is_stopped() {
            return Ok(removed);
        }
        tokio::select! {
            () = tokio::time::sleep(begun.elapsed().max(REST)) => {}
            () = stop.stopped() => {}
        }
    }
}

/// Removes expired entries from the skeleton's own tables, on one replica at a time, until the service stops.
pub(crate) async fn clean_up<S: Store>(store: S, service: Arc<ServiceContext>, stop: Stop) {
    let holder = service.environment.new_id().to_string();
    while !stop.is_stopped() {
        for kind in S::EXPIRING {
            told(kind, remove_expired(kind, &stop, |limit| batch(&store, &holder, kind, limit)).await);
        }
        told("decisions", forget_decisions(&store, &stop).await);
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(BETWEEN_ROUNDS) => {}
        }
    }
}

/// Removes expired decisions, by the clock that they were recorded with: that of this service may be wrong.
async fn forget_decisions<S: Store>(store: &S, stop: &Stop) -> Result<u64, StoreError> {
    let before = store.clock().await? - chrono::Duration::days(KEPT_DAYS);
    remove_expired("decisions", stop, |_| store.forget_decisions(before)).await
}

/// Removes one batch, unless another replica is doing so.
async fn batch<S: Store>(store: &S, holder: &str, kind: &str, limit: i64) -> Result<u64, StoreError> {
    if !store.may_clean_up(holder, TURN).await? {
        return Ok(0);
    }
    store.clean_up(kind, limit).await
}

fn told(kind: &str, removed: Result<u64, StoreError>) {
    if let Err(error) = removed {
        warn!(kind, %error, "failed to remove expired entries; retrying in a minute");
    }
}
