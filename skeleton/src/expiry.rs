//! Removal of expired entries: inbox entries, finished jobs, and other data that a service keeps for a limited time.
//!
//! It removes small batches until nothing is left, so it keeps up with any rate at which entries expire. After each
//! batch it pauses as long as the batch took: it never uses more than half of one connection, and less the busier the
//! store is.

use std::{future::Future, time::Duration};

use metrics::{counter, gauge};
use tokio::time::Instant;

use crate::{
    failure::StoreError,
    stop::Stop,
    store::{KEPT_DAYS, ServiceContext, Store},
};

/// The number of entries in one batch.
pub const BATCH: i64 = 1000;

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

/// Decisions expire by the service's clock, the other kinds by the store's.
const DECISIONS: &str = "decisions";

/// Removes expired entries from the skeleton's own tables, on one replica at a time: `holder` names it.
///
/// # Errors
/// The kinds of entries that were not removed, and why. The others are removed.
pub(crate) async fn clean_up<S: Store>(
    store: &S,
    service: &ServiceContext,
    holder: &str,
    stop: &Stop,
) -> Result<(), String> {
    let before = service.environment.now() - chrono::Duration::days(KEPT_DAYS);
    let mut failed = Vec::new();
    for kind in S::EXPIRING.iter().copied().chain([DECISIONS]) {
        let removed = remove_expired(kind, stop, |limit| async move {
            // Another replica may be removing them.
            if !store.may_clean_up(holder, TURN).await? {
                return Ok(0);
            }
            match kind {
                DECISIONS => store.forget_decisions(before, limit).await,
                _ => store.clean_up(kind, limit).await,
            }
        });
        failed.extend(removed.await.err().map(|error| format!("{kind}: {error}")));
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}
