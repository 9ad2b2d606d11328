//! Decisions about parked messages. One statement makes each change and adds its entry to the audit trail.

use chrono::{DateTime, Utc};
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    Postgres,
    set_aside::{Conditions, GROUPS, IDS},
};
use crate::{
    failure::StoreError,
    store::{Act, Decision, Decisions, Filter, Fingerprint, Group, SetAside, Signed},
};

/// Changes messages (`$1`), which become `decided`, and records for each the operator (`$2`), the reason (`$3`), and
/// the fingerprint of the data before (`$4`, `$5`).
macro_rules! noted {
    ($act:literal, $change:literal) => {
        concat!(
            "with ",
            $change,
            ", noted as (
                insert into skeleton.decisions (act, decided_by, note, data_sha256, data_bytes, message_id, queue, name, subject, reason)
                select '",
            $act,
            "', $2::text, $3::text, $4::text, $5::bigint, message_id, queue, name, subject, reason from decided
            ) select count(*) from decided"
        )
    };
}

/// Makes messages due for an attempt. If one waits for a predecessor, the numbers before it that are not set aside are
/// given up: ten thousand at most, so that an absurd number does no harm.
const REDRIVE: &str = noted!(
    "redriven",
    "decided as (
        select message_id, queue, name, subject, reason, state, line, number from skeleton.set_aside
        where message_id = any($1::uuid[]) and state in ('parked', 'behind') for update
    ), missing as (
        insert into skeleton.given_up (line, number)
        select decided.line, n from decided left join skeleton.lines using (line),
            generate_series(greatest(coalesce(last, 0) + 1, decided.number - 10000), decided.number - 1) as n
        where decided.state = 'behind'
            and not exists (select from skeleton.set_aside kept where kept.line = decided.line and kept.number = n)
        on conflict do nothing
    ), redriven as (
        update skeleton.set_aside set state = 'waiting', attempts = 0, due_at = now()
        where message_id in (select message_id from decided)
    )"
);

/// Drops messages. Their numbers are given up, and the messages waiting for them check again whether their turn has
/// come.
const DROP: &str = noted!(
    "dropped",
    "decided as (
        delete from skeleton.set_aside where message_id = any($1::uuid[]) and state in ('parked', 'behind')
        returning message_id, queue, name, subject, reason, line, number
    ), numbers as (
        insert into skeleton.given_up (line, number) select line, number from decided where line is not null
        on conflict do nothing
    ), next as (
        update skeleton.set_aside set state = 'waiting', due_at = now()
        where state = 'behind' and line in (select line from decided) and not message_id = any($1)
    )"
);

const EDIT: &str = noted!(
    "edited",
    "decided as (
        update skeleton.set_aside set body = $6 where message_id = any($1::uuid[]) and state = 'parked' and body = $7
        returning message_id, queue, name, subject, reason
    )"
);

const TRAIL: &str =
    "select decided_at, decided_by, act, note, message_id, queue, name, subject, reason, data_sha256, data_bytes
    from skeleton.decisions where $1::uuid is null or message_id = $1 order by decision_id desc limit $2";

const FORGET: &str = "delete from skeleton.decisions where decision_id = any(array(
    select decision_id from skeleton.decisions where decided_at < $1 order by decided_at limit $2))";

impl Postgres {
    /// Runs a statement that returns the number of changed messages.
    async fn count(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let rows = self.query(sql, parameters).await?;
        Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0).unsigned_abs()))
    }

    async fn decide(&self, sql: &str, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        let no_fingerprint = (None::<String>, None::<i64>);
        self.count(sql, &[&messages, &signed.by(), &signed.note(), &no_fingerprint.0, &no_fingerprint.1]).await
    }
}

impl Decisions for Postgres {
    async fn ids_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.query(IDS, &Conditions::of(filter).then(&limit)).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn groups_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Group>, StoreError> {
        let rows = self.query(GROUPS, &Conditions::of(filter).then(&limit)).await?;
        let group = |row: &Row| Group { name: row.get(0), reason: row.get(1), messages: row.get(2) };
        Ok(rows.iter().map(group).collect())
    }

    async fn redrive(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        self.decide(REDRIVE, messages, signed).await
    }

    async fn drop_parked(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        self.decide(DROP, messages, signed).await
    }

    async fn edit(&self, seen: &SetAside, data: &[u8], signed: &Signed) -> Result<bool, StoreError> {
        let (message, before) = (vec![seen.message], Fingerprint::of(&seen.body));
        let parameters: [&(dyn ToSql + Sync); 7] =
            [&message, &signed.by(), &signed.note(), &before.sha256, &before.bytes, &data, &seen.body];
        Ok(self.count(EDIT, &parameters).await? == 1)
    }

    async fn trail(&self, message: Option<Uuid>, limit: i64) -> Result<Vec<Decision>, StoreError> {
        self.query(TRAIL, &[&message, &limit]).await?.iter().map(read).collect()
    }

    async fn clock(&self) -> Result<DateTime<Utc>, StoreError> {
        let row = self.query_opt("select now()", &[]).await?;
        row.map(|row| row.get(0)).ok_or_else(|| StoreError::broken("the store did not return its time"))
    }

    async fn forget_decisions(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
        self.execute(FORGET, &[&before, &limit]).await
    }
}

/// Reads a row of `TRAIL`.
fn read(row: &Row) -> Result<Decision, StoreError> {
    let before: (Option<String>, Option<i64>) = (row.get(9), row.get(10));
    Ok(Decision {
        decided_at: row.get(0),
        decided_by: row.get(1),
        act: Act::parse(row.get(2))?,
        note: row.get(3),
        message: row.get(4),
        queue: row.get(5),
        name: row.get(6),
        subject: row.get(7),
        reason: row.get(8),
        data_before: before.0.zip(before.1).map(|(sha256, bytes)| Fingerprint { sha256, bytes }),
    })
}
