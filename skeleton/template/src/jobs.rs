//! Jobs and their schedules: the removal of old parcels.

use depot_events::RemoveOldParcels;
use skeleton::{Failure, Jobs, Missed, Progress, Publish, Schedules, store::postgres::Tx};

use crate::{domain::kept_since, events::removed, store};

/// The number of parcels that one step removes.
const AT_ONCE: i64 = 200;

/// The jobs of this service.
pub fn jobs() -> Jobs<Tx> {
    Jobs::new().on(remove_old_parcels)
}

/// The schedules of this service. After a downtime, one missed run is made up for.
pub fn schedules() -> Schedules<Tx> {
    let expiry = |due_at| RemoveOldParcels { added_before: kept_since(due_at) };
    Schedules::new().cron("expiry", "0 3 * * *", Missed::One, expiry)
}

/// Removes the oldest parcels, step by step.
async fn remove_old_parcels(job: RemoveOldParcels, tx: &mut Tx) -> Result<Progress<RemoveOldParcels>, Failure> {
    let old = store::remove_older(tx, job.added_before, AT_ONCE).await?;
    if old.is_empty() {
        return Ok(Progress::Done);
    }
    let now = tx.now();
    for parcel in &old {
        tx.publish(removed(parcel, now))?;
    }
    Ok(Progress::More(job))
}
