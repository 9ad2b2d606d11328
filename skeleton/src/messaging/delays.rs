//! Moves delayed jobs into the outbox when they are due.
//!
//! Guarantees: A delayed job is sent once, however many replicas there are, in the order of the due times, and never
//! before its due time by the store's clock. One transaction moves it: it is either still delayed or in the outbox,
//! wherever a crash happens. A job that is cancelled before the move is never sent.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::{counter, gauge};

use crate::{
    failure::StoreError,
    stop::Stop,
    store::{Delay, Delays, ServiceContext, Transaction},
    trouble::Trouble,
};

/// How long the loop sleeps if nothing is due before; also the maximum lateness of a job that another process has
/// delayed.
const POLL: Duration = Duration::from_millis(500);

/// The wait while another replica moves due jobs.
const ELSEWHERE: Duration = Duration::from_millis(50);

/// The interval at which delayed jobs are counted.
const COUNT: TimeDelta = TimeDelta::seconds(3);

/// The number of jobs moved in one transaction.
const WINDOW: i64 = 256;

/// Moves due jobs until the service stops.
pub async fn release_due<S: Delays>(store: S, service: Arc<ServiceContext>, stop: Stop) {
    let (mut trouble, mut counted) = (Trouble::of("moving delayed jobs"), None::<DateTime<Utc>>);
    while !stop.is_stopped() {
        let turn = turn(&store, &service).await;
        trouble.note(&turn);
        if counted.is_none_or(|at| service.environment.now() - at > COUNT)
            && let Ok(delayed) = store.delayed().await
        {
            counted = Some(service.environment.now());
            gauge!("messages_delayed").set(delayed as f64);
        }
        tokio::select! {
            biased;
            () = stop.stopped() => {}
            () = service.delays.notified() => {}
            () = service.environment.sleep(turn.unwrap_or(POLL)) => {}
        }
    }
}

/// Moves one window. Returns how long to wait for the next.
async fn turn<S: Delays>(store: &S, service: &Arc<ServiceContext>) -> Result<Duration, StoreError> {
    let Some(wait) = store.until_due().await? else { return Ok(POLL) };
    if !wait.is_zero() {
        return Ok(wait.min(POLL));
    }
    let mut tx = store.begin(service, &[]).await?;
    let due = tx.take_due(WINDOW).await?;
    if due.is_empty() {
        tx.rollback().await;
        return Ok(ELSEWHERE);
    }
    let moved = due.len() as u64;
    tx.unit_of_work_mut().release(due);
    tx.commit().await?;
    counter!("messages_delayed_released_total").increment(moved);
    Ok(Duration::ZERO)
}
