//! Decisions about parked messages. One statement makes each change and adds its entry to the audit trail.

use chrono::{DateTime, Utc};
use neo4rs::{Query, query};
use serde::Deserialize;
use uuid::Uuid;

use super::{Neo4j, set_aside};
use crate::{
    failure::StoreError,
    store::{Act, Decision, Decisions, Filter, Fingerprint, Group, SetAside, Signed},
};

/// Locks these messages before their state is read. Each is bound as node `kept`, and its properties as `was`.
macro_rules! locked {
    ($states:literal) => {
        concat!(
            "UNWIND $ids AS id MATCH (kept:SetAside {id: id})
            SET kept.is_taken = true REMOVE kept.is_taken
            WITH kept WHERE kept.state IN ",
            $states,
            " WITH kept, properties(kept) AS was "
        )
    };
}

/// Adds the entry to the audit trail; returns the number of messages.
macro_rules! noted {
    () => {
        " CREATE (:ParkedDecision {decided_at: datetime(), decided_by: $by, act: $act, note: $note, message: was.id,
            queue: was.queue, name: was.name, subject: was.subject, reason: was.reason,
            data_sha256: $sha256, data_bytes: $bytes})
        RETURN count(*) AS decided"
    };
}

/// Makes messages due for an attempt. If one waits for a predecessor, the numbers before it that are not set aside are
/// given up: ten thousand at most, so that an absurd number does no harm.
const REDRIVE: &str = concat!(
    locked!("['parked', 'behind']"),
    "OPTIONAL MATCH (line:Line {name: kept.line})
    WITH kept, was, CASE kept.state WHEN 'behind' THEN coalesce(line.last, 0) ELSE null END AS last
    CALL {
        WITH kept, last WITH kept, last WHERE last IS NOT NULL
        WITH kept, CASE WHEN last + 1 < kept.number - 10000 THEN kept.number - 10000 ELSE last + 1 END AS from
        UNWIND range(from, kept.number - 1) AS number
        WITH kept, number WHERE NOT EXISTS { (:SetAside {line: kept.line, number: number}) }
        MERGE (:GivenUp {line: kept.line, number: number})
        RETURN count(*) AS missing
    }
    SET kept.state = 'waiting', kept.attempts = 0, kept.due_at = datetime()",
    noted!()
);

/// Drops messages. Their numbers are given up, and the messages waiting for them check again whether their turn has
/// come.
const DROP: &str = concat!(
    locked!("['parked', 'behind']"),
    "DELETE kept
    WITH was
    CALL {
        WITH was WITH was WHERE was.line IS NOT NULL
        MERGE (:GivenUp {line: was.line, number: was.number})
        WITH was MATCH (next:SetAside {line: was.line, state: 'behind'})
        SET next.state = 'waiting', next.due_at = datetime()
        RETURN count(*) AS released
    }",
    noted!()
);

const EDIT: &str = concat!(locked!("['parked']"), "WHERE kept.body = $seen SET kept.body = $data", noted!());

const TRAIL: &str = "MATCH (node:ParkedDecision) WHERE $message IS NULL OR node.message = $message
    WITH properties(node) AS decision
    RETURN decision ORDER BY decision.decided_at DESC, decision.message LIMIT $limit";

const FORGET: &str = "MATCH (decision:ParkedDecision) WHERE decision.decided_at < $before
    WITH decision LIMIT $limit DELETE decision RETURN count(*) AS forgotten";

/// A decision as stored in its node.
#[derive(Deserialize)]
struct Noted {
    decided_at: DateTime<Utc>,
    decided_by: String,
    act: String,
    note: Option<String>,
    message: Uuid,
    queue: String,
    name: String,
    subject: Option<String>,
    reason: String,
    data_sha256: Option<String>,
    data_bytes: Option<i64>,
}

impl TryFrom<Noted> for Decision {
    type Error = StoreError;

    fn try_from(noted: Noted) -> Result<Self, StoreError> {
        let before = noted.data_sha256.zip(noted.data_bytes);
        Ok(Self {
            decided_at: noted.decided_at,
            decided_by: noted.decided_by,
            act: Act::parse(&noted.act)?,
            note: noted.note,
            message: noted.message,
            queue: noted.queue,
            name: noted.name,
            subject: noted.subject,
            reason: noted.reason,
            data_before: before.map(|(sha256, bytes)| Fingerprint { sha256, bytes }),
        })
    }
}

/// Binds the parameters of a decision about these messages.
fn decision(statement: &str, act: Act, messages: &[Uuid], signed: &Signed, before: Option<Fingerprint>) -> Query {
    let mut ids: Vec<String> = messages.iter().map(Uuid::to_string).collect();
    // Sorted, so that two decisions about the same messages wait for each other instead of deadlocking.
    ids.sort_unstable();
    let (sha256, bytes) = before.map(|before| (before.sha256, before.bytes)).unzip();
    query(statement)
        .param("ids", ids)
        .param("act", act.as_str())
        .param("by", signed.by())
        .param("note", signed.note().map(str::to_owned))
        .param("sha256", sha256)
        .param("bytes", bytes)
}

impl Decisions for Neo4j {
    async fn ids_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        self.query(set_aside::ids(filter, limit)).await
    }

    async fn groups_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Group>, StoreError> {
        self.query(set_aside::groups(filter, limit)).await
    }

    async fn redrive(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        self.count(decision(REDRIVE, Act::Redriven, messages, signed, None)).await
    }

    async fn drop_parked(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        self.count(decision(DROP, Act::Dropped, messages, signed, None)).await
    }

    async fn edit(&self, seen: &SetAside, data: &[u8], signed: &Signed) -> Result<bool, StoreError> {
        let before = Some(Fingerprint::of(&seen.body));
        let edit = decision(EDIT, Act::Edited, &[seen.message], signed, before);
        Ok(self.count(edit.param("seen", seen.body.as_slice()).param("data", data)).await? == 1)
    }

    async fn trail(&self, message: Option<Uuid>, limit: i64) -> Result<Vec<Decision>, StoreError> {
        let asked = query(TRAIL).param("message", message.map(|id| id.to_string())).param("limit", limit);
        let rows: Vec<Noted> = self.query(asked).await?;
        rows.into_iter().map(Decision::try_from).collect()
    }

    async fn forget_decisions(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
        self.count(query(FORGET).param("before", before).param("limit", limit)).await
    }
}
