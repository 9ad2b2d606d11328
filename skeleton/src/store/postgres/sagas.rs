//! Sagas in Postgres: a row each, locked while a step is taken, and their log.

use tokio_postgres::{Row, types::Json};
use uuid::Uuid;

use super::{Postgres, Tx};
use crate::{
    failure::StoreError,
    store::{KeepSagas, PendingMessage, SagaPhase, SagaRow, SagaStep, SagaTimeout, Sagas},
};

/// Deletes sagas whose retention has ended, with their logs.
pub(super) const FORGET: &str = "delete from skeleton.sagas where (name, saga_id) in (
        select name, saga_id from skeleton.sagas where keep_until < now() order by keep_until limit $1)";

const INSERT: &str =
    "insert into skeleton.sagas (name, saga_id, phase, state, timeout_id, timeout_at, begun_at, changed_at, keep_until)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing";

const UPDATE: &str = "update skeleton.sagas set phase = $3, state = $4, timeout_id = $5, timeout_at = $6, changed_at = $7, keep_until = $8
    where name = $1 and saga_id = $2";

const LOCK: &str = "select name, saga_id, phase, state, timeout_id, timeout_at, begun_at, changed_at, keep_until
    from skeleton.sagas where name = $1 and saga_id = $2 for update";

const FIND: &str = "select name, saga_id, phase, state, timeout_id, timeout_at, begun_at, changed_at, keep_until
    from skeleton.sagas where ($1::text is null or name = $1) and saga_id = $2 order by name";

const LIST: &str = "select name, saga_id, phase, state, timeout_id, timeout_at, begun_at, changed_at, keep_until
    from skeleton.sagas where $1::text is null or phase = $1 order by changed_at desc, saga_id limit $2";

const ADD_STEP: &str = "insert into skeleton.saga_steps (name, saga_id, at, what, message_id, compensation) values ($1, $2, $3, $4, $5, $6)";

const STEPS: &str = "select at, what, message_id, compensation from skeleton.saga_steps where name = $1 and saga_id = $2 order by position";

const TAKE_COMPENSATION: &str = "update skeleton.saga_steps taken set compensation = null
    from (select position, compensation from skeleton.saga_steps
        where name = $1 and saga_id = $2 and compensation is not null order by position desc limit 1) newest
    where taken.position = newest.position returning newest.compensation";

impl KeepSagas for Tx {
    async fn insert_saga(&mut self, saga: &SagaRow) -> Result<bool, StoreError> {
        let (timeout, due) = saga.timeout.map(|timeout| (timeout.message, timeout.due)).unzip();
        let SagaRow { name, id, phase, state, begun_at, changed_at, keep_until, .. } = saga;
        let state = Json(state);
        self.execute(INSERT, &[name, id, &phase.as_str(), &state, &timeout, &due, begun_at, changed_at, keep_until])
            .await
            .map(|inserted| inserted > 0)
    }

    async fn lock_saga(&mut self, name: &str, id: Uuid) -> Result<Option<SagaRow>, StoreError> {
        self.query_opt(LOCK, &[&name, &id]).await?.as_ref().map(saga).transpose()
    }

    async fn update_saga(&mut self, saga: &SagaRow) -> Result<(), StoreError> {
        let (timeout, due) = saga.timeout.map(|timeout| (timeout.message, timeout.due)).unzip();
        let SagaRow { name, id, phase, state, changed_at, keep_until, .. } = saga;
        self.execute_later(UPDATE, &[name, id, &phase.as_str(), &Json(state), &timeout, &due, changed_at, keep_until])
            .await
    }

    async fn add_saga_step(&mut self, saga: &SagaRow, step: &SagaStep) -> Result<(), StoreError> {
        let SagaStep { at, what, message, compensation } = step;
        let compensation = compensation.as_ref().map(Json);
        self.execute_later(ADD_STEP, &[&saga.name, &saga.id, at, what, message, &compensation]).await
    }

    async fn take_compensation(&mut self, saga: &SagaRow) -> Result<Option<PendingMessage>, StoreError> {
        let taken = self.query_opt(TAKE_COMPENSATION, &[&saga.name, &saga.id]).await?;
        Ok(taken.map(|row| row.get::<_, Json<PendingMessage>>(0).0))
    }
}

impl Sagas for Postgres {
    async fn list_sagas(&self, phase: Option<SagaPhase>, limit: i64) -> Result<Vec<SagaRow>, StoreError> {
        let phase = phase.map(SagaPhase::as_str);
        self.query(LIST, &[&phase, &limit]).await?.iter().map(saga).collect()
    }

    async fn sagas_of(&self, id: Uuid) -> Result<Vec<(SagaRow, Vec<SagaStep>)>, StoreError> {
        let mut found = Vec::new();
        for row in self.query(FIND, &[&None::<&str>, &id]).await? {
            let saga = saga(&row)?;
            let steps = self.query(STEPS, &[&saga.name, &id]).await?;
            found.push((saga, steps.iter().map(step).collect()));
        }
        Ok(found)
    }

    async fn find_saga(&self, name: &str, id: Uuid) -> Result<Option<SagaRow>, StoreError> {
        self.query_opt(FIND, &[&Some(name), &id]).await?.as_ref().map(saga).transpose()
    }
}

fn saga(row: &Row) -> Result<SagaRow, StoreError> {
    let timeout = Option::zip(row.get(4), row.get(5));
    Ok(SagaRow {
        name: row.get(0),
        id: row.get(1),
        phase: SagaPhase::parse(row.get(2))?,
        state: row.get::<_, Json<_>>(3).0,
        timeout: timeout.map(|(message, due)| SagaTimeout { message, due }),
        begun_at: row.get(6),
        changed_at: row.get(7),
        keep_until: row.get(8),
    })
}

fn step(row: &Row) -> SagaStep {
    let compensation: Option<Json<PendingMessage>> = row.get(3);
    let compensation = compensation.map(|Json(message)| message);
    SagaStep { at: row.get(0), what: row.get(1), message: row.get(2), compensation }
}
