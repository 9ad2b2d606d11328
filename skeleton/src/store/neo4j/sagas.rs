//! Sagas in Neo4j: a node each, locked while a step is taken, and a node for each entry of its log.

use chrono::{DateTime, Utc};
use neo4rs::{Query, query};
use serde::Deserialize;
use uuid::Uuid;

use super::{Neo4j, Tx};
use crate::{
    failure::StoreError,
    store::{KeepSagas, PendingMessage, SagaPhase, SagaRow, SagaStep, SagaTimeout, Sagas},
};

/// Deletes sagas whose retention has ended, with their logs.
pub(super) const FORGET: &str = "MATCH (saga:Saga) WHERE saga.keep_until < datetime()
    WITH saga LIMIT $limit
    OPTIONAL MATCH (saga)-[:TOOK]->(step:SagaStep)
    DETACH DELETE step
    WITH DISTINCT saga
    DETACH DELETE saga
    RETURN count(*) AS forgotten";

const INSERT: &str = "MERGE (saga:Saga {name: $name, id: $id})
    ON CREATE SET saga.is_new = true
    WITH saga WHERE saga.is_new
    SET saga.is_new = null, saga.steps = 0, saga.begun_at = $begun_at, saga.phase = $phase, saga.state = $state,
        saga.timeout_id = $timeout_id, saga.timeout_at = $timeout_at, saga.changed_at = $changed_at,
        saga.keep_until = $keep_until
    RETURN true AS inserted";

const UPDATE: &str = "MATCH (saga:Saga {name: $name, id: $id})
    SET saga.phase = $phase, saga.state = $state, saga.timeout_id = $timeout_id, saga.timeout_at = $timeout_at,
        saga.changed_at = $changed_at, saga.keep_until = $keep_until";

const LOCK: &str = "MATCH (saga:Saga {name: $name, id: $id})
    SET saga.is_taken = true
    WITH saga RETURN properties(saga) AS saga";

const FIND: &str = "MATCH (saga:Saga {id: $id}) WHERE $name IS NULL OR saga.name = $name
    RETURN properties(saga) AS saga ORDER BY saga.name";

const LIST: &str = "MATCH (saga:Saga) WHERE $phase IS NULL OR saga.phase = $phase
    WITH saga ORDER BY saga.changed_at DESC, saga.id LIMIT $limit
    RETURN properties(saga) AS saga";

const ADD_STEP: &str = "MATCH (saga:Saga {name: $name, id: $id})
    SET saga.steps = saga.steps + 1
    CREATE (saga)-[:TOOK]->(:SagaStep {
        place: saga.steps, at: $at, what: $what, message: $message, compensation: $compensation
    })";

const STEPS: &str = "MATCH (:Saga {name: $name, id: $id})-[:TOOK]->(step:SagaStep)
    RETURN properties(step) AS step ORDER BY step.place";

const TAKE_COMPENSATION: &str = "MATCH (:Saga {name: $name, id: $id})-[:TOOK]->(step:SagaStep)
    WHERE step.compensation IS NOT NULL
    WITH step ORDER BY step.place DESC LIMIT 1
    WITH step, step.compensation AS taken
    SET step.compensation = null
    RETURN taken";

#[derive(Deserialize)]
struct KeptSaga {
    name: String,
    id: Uuid,
    phase: String,
    state: String,
    timeout_id: Option<Uuid>,
    timeout_at: Option<DateTime<Utc>>,
    begun_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
    keep_until: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct KeptStep {
    at: DateTime<Utc>,
    what: String,
    message: Option<Uuid>,
    compensation: Option<String>,
}

/// A statement about one saga, with all its mutable properties.
fn about(statement: &str, saga: &SagaRow) -> Query {
    query(statement)
        .param("name", saga.name.as_str())
        .param("id", saga.id.to_string())
        .param("phase", saga.phase.as_str())
        .param("state", saga.state.to_string())
        .param("timeout_id", saga.timeout.map(|timeout| timeout.message.to_string()))
        .param("timeout_at", saga.timeout.map(|timeout| timeout.due))
        .param("changed_at", saga.changed_at)
        .param("keep_until", saga.keep_until)
}

fn named(statement: &str, name: &str, id: Uuid) -> Query {
    query(statement).param("name", name).param("id", id.to_string())
}

impl KeepSagas for Tx {
    async fn insert_saga(&mut self, saga: &SagaRow) -> Result<bool, StoreError> {
        let inserted: Option<bool> = self.query_opt(about(INSERT, saga).param("begun_at", saga.begun_at)).await?;
        Ok(inserted.is_some())
    }

    async fn lock_saga(&mut self, name: &str, id: Uuid) -> Result<Option<SagaRow>, StoreError> {
        let locked: Option<KeptSaga> = self.query_opt(named(LOCK, name, id)).await?;
        locked.map(SagaRow::try_from).transpose()
    }

    async fn update_saga(&mut self, saga: &SagaRow) -> Result<(), StoreError> {
        self.execute(about(UPDATE, saga)).await
    }

    async fn add_saga_step(&mut self, saga: &SagaRow, step: &SagaStep) -> Result<(), StoreError> {
        let compensation = step.compensation.as_ref().map(serde_json::to_string).transpose();
        let added = named(ADD_STEP, &saga.name, saga.id)
            .param("at", step.at)
            .param("what", step.what.as_str())
            .param("message", step.message.map(|message| message.to_string()))
            .param("compensation", compensation.map_err(StoreError::broken)?);
        self.execute(added).await
    }

    async fn take_compensation(&mut self, saga: &SagaRow) -> Result<Option<PendingMessage>, StoreError> {
        let taken: Option<String> = self.query_opt(named(TAKE_COMPENSATION, &saga.name, saga.id)).await?;
        taken.map(|text| serde_json::from_str(&text).map_err(StoreError::broken)).transpose()
    }
}

impl Sagas for Neo4j {
    async fn list_sagas(&self, phase: Option<SagaPhase>, limit: i64) -> Result<Vec<SagaRow>, StoreError> {
        let phase = phase.map(|phase| phase.as_str().to_owned());
        let listed: Vec<KeptSaga> = self.query(query(LIST).param("phase", phase).param("limit", limit)).await?;
        listed.into_iter().map(SagaRow::try_from).collect()
    }

    async fn sagas_of(&self, id: Uuid) -> Result<Vec<(SagaRow, Vec<SagaStep>)>, StoreError> {
        let asked = query(FIND).param("name", None::<String>).param("id", id.to_string());
        let sagas: Vec<KeptSaga> = self.query(asked).await?;
        let mut found = Vec::new();
        for saga in sagas {
            let saga = SagaRow::try_from(saga)?;
            let steps: Vec<KeptStep> = self.query(named(STEPS, &saga.name, id)).await?;
            found.push((saga, steps.into_iter().map(SagaStep::try_from).collect::<Result<_, _>>()?));
        }
        Ok(found)
    }

    async fn find_saga(&self, name: &str, id: Uuid) -> Result<Option<SagaRow>, StoreError> {
        let found: Option<KeptSaga> = self.query_opt(named(FIND, name, id)).await?;
        found.map(SagaRow::try_from).transpose()
    }
}

impl TryFrom<KeptSaga> for SagaRow {
    type Error = StoreError;

    fn try_from(kept: KeptSaga) -> Result<Self, StoreError> {
        let timeout = kept.timeout_id.zip(kept.timeout_at);
        Ok(Self {
            name: kept.name,
            id: kept.id,
            phase: SagaPhase::parse(&kept.phase)?,
            state: serde_json::from_str(&kept.state).map_err(StoreError::broken)?,
            timeout: timeout.map(|(message, due)| SagaTimeout { message, due }),
            begun_at: kept.begun_at,
            changed_at: kept.changed_at,
            keep_until: kept.keep_until,
        })
    }
}

impl TryFrom<KeptStep> for SagaStep {
    type Error = StoreError;

    fn try_from(kept: KeptStep) -> Result<Self, StoreError> {
        let compensation = kept.compensation.map(|text| serde_json::from_str(&text)).transpose();
        let compensation = compensation.map_err(StoreError::broken)?;
        Ok(Self { at: kept.at, what: kept.what, message: kept.message, compensation })
    }
}
