//! Sagas: processes over many messages, with state that is kept between them.
//!
//! A saga is a value of a service's own type, kept in the service's store. Handlers of events and jobs find it, change
//! it, and record a step, all in the transaction of the message they handle.
//!
//! Guarantees: Steps do not run concurrently. Finding a saga locks it until the transaction ends; another transaction
//! that finds it meanwhile waits, and sees the first one's changes. A step commits atomically with the effects of its
//! message. A timeout that was replaced, or whose saga has ended, has no effect, even if it was already sent.
//! Compensation undoes one step after the other, the last first, each in a job of its own.
//!
//! ```ignore
//! async fn on_paid(paid: Paid, tx: &mut Tx) -> Handled {
//!     let Some(mut order) = Saga::<Order>::find(tx, paid.order_id).await? else { return Ok(()) };
//!     order.state.pay(paid.paid_at);
//!     order.step(tx, "paid").await?;
//!     order.end(tx, "finished").await
//! }
//! ```

mod ending;
mod finding;
mod steps;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{KeepSagas, SagaRow, Sagas},
};

/// The state of a saga. It is kept as JSON while the saga runs, across releases of the service: a new field needs a
/// default. Operators see all of it, so it holds no personal data: ids, times, counts.
pub trait SagaState: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of this kind of saga in the service, one word.
    const NAME: &'static str;

    /// How long a saga is kept after it has ended.
    const KEPT: TimeDelta = TimeDelta::days(30);
}

/// A saga that the transaction has locked.
#[derive(Debug)]
pub struct Saga<T> {
    row: SagaRow,
    /// Its state. Saved with the next step.
    pub state: T,
}

impl<T: SagaState> Saga<T> {
    /// Its id.
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// When it began.
    pub fn begun_at(&self) -> DateTime<Utc> {
        self.row.begun_at
    }
}

/// Reads the present state of a saga without a lock.
///
/// # Errors
/// If the store does not respond, or the stored state is not a `T`.
pub async fn state_of<T: SagaState, S: Sagas>(store: &S, id: Uuid) -> Result<Option<T>, StoreError> {
    store.find_saga(T::NAME, id).await?.as_ref().map(read).transpose()
}

fn read<T: SagaState>(row: &SagaRow) -> Result<T, StoreError> {
    T::deserialize(&row.state)
        .map_err(|error| StoreError::broken(format!("the saga {} {} cannot be read: {error}", row.name, row.id)))
}

/// The id of the message being handled.
fn handled(tx: &impl KeepSagas) -> Option<Uuid> {
    tx.unit_of_work().cause().map(|message| message.id)
}
