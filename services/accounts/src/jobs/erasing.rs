//! The saga of an erasure: accounts erases its own part at once and publishes the event. Each service confirms; all are
//! reminded until every service has confirmed. Then the saga publishes a report.
//!
//! An erasure's id is its account's id, because an account is erased once. There is no compensation, because an erasure
//! is never undone.

use accounts_events::RemindErasure;
use chrono::TimeDelta;
use skeleton::{Failure, HandlerResult, Progress, Publish, Saga, SagaState, store::postgres::Tx};
use tracing::warn;
use uuid::Uuid;

use crate::{
    domain::{Confirmed, Erasure, OWN, Part, Reminders},
    events::{erased, erasure_finished},
    store,
};

impl SagaState for Erasure {
    const NAME: &'static str = "erasure";
    const KEPT: TimeDelta = TimeDelta::days(store::RECEIPT_DAYS);
}

/// Begins the erasure of an account whose part in this service is erased. Returns the receipt's id.
pub async fn begin(tx: &mut Tx, account: Uuid, removed: u64) -> Result<Uuid, Failure> {
    let (now, receipt) = (tx.now(), tx.new_id());
    let begun = Saga::begin(tx, account, Erasure::begin(receipt, now)).await?;
    let mut erasure = begun.ok_or_else(|| Failure::bug("the account was erased before"))?;
    store::insert_receipt(tx, receipt, account, now).await?;
    erasure.state.confirm(OWN, Confirmed { erased_at: now, removed });
    erasure.step(tx, OWN.step).await?;
    tx.publish(erased(account, now))?;
    wait(tx, &mut erasure).await?;
    Ok(receipt)
}

/// A confirmation that is older than the erasure by more than this belongs to an earlier erasure of the account, which a
/// restore has undone. The clocks of two services may differ by as much, as the gateway assumes of tokens.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(15);

/// Records a service's confirmation. The last one ends the erasure.
pub async fn confirm(tx: &mut Tx, account: Uuid, part: Part, confirmed: Confirmed) -> HandlerResult {
    let Some(mut erasure) = Saga::<Erasure>::find(tx, account).await? else { return Ok(()) };
    let begun_at = erasure.state.begun_at;
    if confirmed.erased_at + CLOCK_SKEW < begun_at {
        let (service, erased_at) = (part.service, confirmed.erased_at);
        warn!(%account, service, %erased_at, %begun_at, "ignored a confirmation that is older than the erasure; if it is new, the clock of that service is wrong");
        return Ok(());
    }
    if !erasure.state.confirm(part, confirmed) {
        return Ok(());
    }
    erasure.step(tx, part.step).await?;
    let now = tx.now();
    if !erasure.state.finish(now) {
        return Ok(());
    }
    store::finish_receipt(tx, erasure.state.receipt_id, now).await?;
    tx.publish(erasure_finished(account, &erasure.state, now))?;
    erasure.end(tx, "all services have erased their part").await
}

/// Reminds all services, because one has not confirmed in time. A service that is done confirms again, which changes
/// nothing.
pub async fn remind(job: RemindErasure, tx: &mut Tx) -> Result<Progress<RemindErasure>, Failure> {
    let Some(mut erasure) = Saga::<Erasure>::timed_out(tx, job.account_id).await? else { return Ok(Progress::Done) };
    erasure.state.reminders += 1;
    tx.publish(erased(job.account_id, erasure.state.begun_at))?;
    erasure.step(tx, "reminded the services that have not confirmed").await?;
    wait(tx, &mut erasure).await?;
    Ok(Progress::Done)
}

async fn wait(tx: &mut Tx, erasure: &mut Saga<Erasure>) -> HandlerResult {
    let due = tx.resource::<Reminders>().due(erasure.state.reminders, tx.now());
    erasure.time_out(tx, RemindErasure { account_id: erasure.id() }, due).await
}
