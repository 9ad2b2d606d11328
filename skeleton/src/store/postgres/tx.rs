//! A transaction: the inbox rows of what is handled, the handler's changes and the outbox rows commit together.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use deadpool_postgres::Object;
use futures::{TryFutureExt, try_join};
use tokio::sync::Notify;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    at_most_one,
    error::store_error,
    jobs,
    later::{self, Later},
    replies, set_aside,
};
use crate::{
    failure::StoreError,
    messaging::order::past_given_up,
    store::{Publish, SetAside, Staged, Transaction, Work, jobs::job_name},
};

const TAKE_IN: &str =
    "insert into skeleton.inbox (message_id) select unnest($1::uuid[]) on conflict do nothing returning message_id";

/// Writes staged messages, giving each its subject's next number. Subjects are locked in one order: no deadlocks.
const STAGE: &str = "with staged as (
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
            with ordinality as s (exchange, routing_key, subject, envelope, body, n)
    ), counts as (
        select subject, count(*) as c from staged where subject is not null group by subject order by subject
    ), heads as (
        insert into skeleton.sequences as h (subject, last) select subject, c from counts
        on conflict (subject) do update set last = h.last + excluded.last returning subject, last
    )
    insert into skeleton.outbox (exchange, routing_key, sequence, envelope, body)
    select exchange, routing_key, last - c + row_number() over (partition by s.subject order by n), envelope, body
    from staged s left join heads using (subject) left join counts using (subject) order by n";

/// Locks lines and tells how far they have come. Sorted, as they come: no deadlocks.
const LOCK_LINES: &str = "insert into skeleton.lines as l (line, last) select line, 0 from unnest($1::text[]) as line
    on conflict (line) do update set last = l.last returning line, last";

const GIVEN_UP: &str = "select line, number from skeleton.given_up where line = any($1) order by number";

const ADVANCE_LINES: &str = "update skeleton.lines as l set last = reached.last
    from unnest($1::text[], $2::bigint[]) as reached (line, last) where l.line = reached.line";

/// A transaction. Dropped without a commit, its connection is closed: the server rolls back at once.
pub struct Tx {
    client: Option<Object>,
    new: HashSet<Uuid>,
    later: Vec<Later>,
    work: Work,
    bell: Arc<Notify>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
}

impl Tx {
    /// Opens a transaction that takes messages in: one round trip.
    pub(super) async fn begin(
        client: Object,
        work: Work,
        bell: Arc<Notify>,
        take_in: &[Uuid],
    ) -> Result<Self, StoreError> {
        let mut tx =
            Self { client: Some(client), new: HashSet::new(), later: Vec::new(), work, bell, after_commit: Vec::new() };
        let client = tx.client()?;
        if take_in.is_empty() {
            client.batch_execute("begin").await.map_err(store_error)?;
            return Ok(tx);
        }
        let statement = client.prepare_cached(TAKE_IN).await.map_err(store_error)?;
        // Sent together, answered together: one round trip.
        let parameters: [&(dyn ToSql + Sync); 1] = [&take_in];
        let (_, rows) =
            try_join!(client.batch_execute("begin"), client.query(&statement, &parameters)).map_err(store_error)?;
        tx.new = rows.iter().map(|row| row.get(0)).collect();
        Ok(tx)
    }

    fn client(&self) -> Result<&Object, StoreError> {
        self.client.as_ref().ok_or_else(|| StoreError::broken("the transaction has ended"))
    }

    /// Asks for rows.
    ///
    /// # Errors
    /// Where the store does not answer, another got in the way, or the statement is wrong.
    pub async fn query(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let later = std::mem::take(&mut self.later);
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await.map_err(store_error)?;
        let (_, rows) =
            try_join!(later::send(client, &later), client.query(&statement, parameters)).map_err(store_error)?;
        Ok(rows)
    }

    /// Asks for one row or none.
    ///
    /// # Errors
    /// As [`Tx::query`]; also where there are more rows.
    pub async fn query_opt(
        &mut self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        at_most_one(self.query(sql, parameters).await?)
    }

    /// Asks for the one row that there is.
    ///
    /// # Errors
    /// As [`Tx::query`]; also where there is none, or more.
    pub async fn query_one(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, StoreError> {
        self.query_opt(sql, parameters).await?.ok_or_else(|| StoreError::broken("one row was expected, there is none"))
    }

    /// Changes rows and returns how many.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn execute(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let later = std::mem::take(&mut self.later);
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await.map_err(store_error)?;
        let (_, count) =
            try_join!(later::send(client, &later), client.execute(&statement, parameters)).map_err(store_error)?;
        Ok(count)
    }

    /// Changes rows without waiting for it: the statement goes out together with the next one that is waited for, at
    /// the latest with the commit, and fails there. Saves a round trip where the answer decides nothing.
    ///
    /// # Errors
    /// Where the statement is wrong, its parameters do not fit, or the store does not answer.
    pub async fn execute_later(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        let statement = self.client()?.prepare_cached(sql).await.map_err(store_error)?;
        self.later.push(Later::new(statement, parameters)?);
        Ok(())
    }

    /// Does something in this process once the transaction has committed, and only then. A hint to those who wait:
    /// it is lost with the process.
    pub fn after_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(act));
    }
}

impl Publish for Tx {}

impl Transaction for Tx {
    fn work(&self) -> &Work {
        &self.work
    }

    fn work_mut(&mut self) -> &mut Work {
        &mut self.work
    }

    fn is_new(&self, message: Uuid) -> bool {
        self.new.contains(&message)
    }

    async fn lock_lines(&mut self, lines: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        let client = self.client()?;
        let (lock, given_up) =
            try_join!(client.prepare_cached(LOCK_LINES), client.prepare_cached(GIVEN_UP)).map_err(store_error)?;
        // Sent together, answered together: one round trip.
        let parameters: [&(dyn ToSql + Sync); 1] = [&lines];
        let (locked, given_up) =
            try_join!(client.query(&lock, &parameters), client.query(&given_up, &parameters)).map_err(store_error)?;
        let mut last: HashMap<String, i64> = locked.iter().map(|row| (row.get(0), row.get(1))).collect();
        for row in &given_up {
            last.entry(row.get(0)).and_modify(|last| *last = past_given_up(*last, [row.get(1)]));
        }
        Ok(last.into_iter().collect())
    }

    async fn advance_lines(&mut self, reached: &[(String, i64)]) -> Result<(), StoreError> {
        let (lines, last): (Vec<&str>, Vec<i64>) = reached.iter().map(|(line, last)| (line.as_str(), *last)).unzip();
        self.execute_later(ADVANCE_LINES, &[&lines, &last]).await
    }

    async fn take_waiting(&mut self, message: Uuid) -> Result<Option<SetAside>, StoreError> {
        Ok(self.query_opt(set_aside::TAKE, &[&message]).await?.as_ref().map(set_aside::read))
    }

    async fn first_reply(&mut self, request: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.query_opt("select reply from skeleton.inbox where message_id = $1", &[&request]).await?;
        Ok(row.and_then(|row| row.get(0)))
    }

    async fn keep_reply(&mut self, request: Uuid, reply: &[u8]) -> Result<(), StoreError> {
        let account = self.work.account();
        self.execute_later(replies::KEEP, &[&request, &reply, &account]).await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let staged = self.work.take_staged();
        let client = self.client.take().ok_or_else(|| StoreError::broken("the transaction has ended"))?;
        let outcome = match record_jobs(&client, &staged).await {
            Ok(recording) => {
                self.later.extend(recording);
                write_and_commit(&client, &self.later, &staged).await
            }
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            // Closed, not returned: whatever state it is in ends with it.
            drop(Object::take(client));
            return outcome;
        }
        if !staged.is_empty() {
            self.bell.notify_one();
        }
        self.work.committed();
        for act in std::mem::take(&mut self.after_commit) {
            act();
        }
        Ok(())
    }

    async fn rollback(mut self) {
        let Some(client) = self.client.take() else { return };
        if client.batch_execute("rollback").await.is_err() {
            drop(Object::take(client));
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

/// What records the jobs among staged messages, where there are any.
async fn record_jobs(client: &Object, staged: &[Staged]) -> Result<Option<Later>, StoreError> {
    let jobs: Vec<_> = staged.iter().filter(|staged| staged.exchange.starts_with("jobs.")).collect();
    if jobs.is_empty() {
        return Ok(None);
    }
    let statement = client.prepare_cached(jobs::RECORD).await.map_err(store_error)?;
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.envelope.id).collect();
    let names: Vec<&str> = jobs.iter().map(|job| job_name(&job.envelope.name)).collect();
    let times: Vec<_> = jobs.iter().map(|job| job.envelope.time).collect();
    Later::new(statement, &[&ids, &names, &times]).map(Some)
}

async fn write_and_commit(client: &Object, later: &[Later], staged: &[Staged]) -> Result<(), StoreError> {
    if staged.is_empty() {
        return try_join!(later::send(client, later), client.batch_execute("commit")).map_err(store_error).map(drop);
    }
    let statement = client.prepare_cached(STAGE).await.map_err(store_error)?;
    let column = |value: fn(&Staged) -> &str| staged.iter().map(value).collect::<Vec<_>>();
    let exchanges = column(|staged| &staged.exchange);
    let keys = column(|staged| &staged.routing_key);
    let bodies = column(|staged| &staged.body);
    let subjects: Vec<Option<&str>> = staged.iter().map(Staged::numbered_subject).collect();
    let envelopes = staged.iter().map(|staged| serde_json::to_string(&staged.envelope)).collect::<Result<Vec<_>, _>>();
    let envelopes = envelopes.map_err(StoreError::broken)?;
    let parameters: [&(dyn ToSql + Sync); 5] = [&exchanges, &keys, &subjects, &envelopes, &bodies];
    // Sent together, answered together. Where the first fails, the second finds the transaction aborted: no commit.
    let writing = client.execute(&statement, &parameters).map_ok(drop);
    try_join!(later::send(client, later), writing, client.batch_execute("commit")).map_err(store_error).map(drop)
}
