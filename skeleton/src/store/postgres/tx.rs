//! A transaction: the inbox rows of its messages, the handler's changes and the outbox rows commit together.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use futures::{
    TryFutureExt,
    future::{try_join, try_join3, try_join4},
    try_join,
};
use tokio::sync::Notify;
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    at_most_one, kept,
    later::{self, Later},
    session::Session,
    set_aside,
};
use crate::{
    failure::StoreError,
    store::{PendingMessage, PipelineSlot, Publish, SetAside, Transaction, UnitOfWork, jobs::job_name, past_given_up},
};

const RECORD_IN_INBOX: &str =
    "insert into skeleton.inbox (message_id) select unnest($1::uuid[]) on conflict do nothing returning message_id";

/// Inserts staged messages with the next sequence of their subjects. Subjects are locked in sorted order to avoid
/// deadlocks.
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

/// Does the same for one message, with a third of the work. The row comes from the head, so that its position is drawn
/// after the subject was locked.
const STAGE_ONE: &str = "with head as (
        insert into skeleton.sequences as h (subject, last) select $3, 1 where $3::text is not null
        on conflict (subject) do update set last = h.last + 1 returning last
    )
    insert into skeleton.outbox (exchange, routing_key, sequence, envelope, body)
    select $1, $2, head.last, $4, $5 from (values (true)) as one left join head on true";

/// Locks the cursors of lines and returns them. The lines are sorted to avoid deadlocks.
const LOCK_LINES: &str = "insert into skeleton.lines as l (line, last) select line, 0 from unnest($1::text[]) as line
    on conflict (line) do update set last = l.last returning line, last";

/// Locks the counter of a subject and returns its next number.
const NEXT_SEQUENCE: &str = "insert into skeleton.sequences as h (subject, last) values ($1, 0)
    on conflict (subject) do update set last = h.last returning last + 1";

const GIVEN_UP: &str = "select line, number from skeleton.given_up where line = any($1) order by number";

const ADVANCE_LINES: &str = "update skeleton.lines as l set last = reached.last, last_time = coalesce(at, last_time)
    from unnest($1::text[], $2::bigint[], $3::timestamptz[]) as reached (line, last, at) where l.line = reached.line";

const LINE_TIMES: &str = "select line, last_time from skeleton.lines where line = any($1) and last_time is not null";

/// A transaction. If it is dropped without a commit, its connection is closed and the server rolls back at once.
pub struct Tx {
    session: Arc<Session>,
    new: Arc<HashSet<Uuid>>,
    later: Arc<Mutex<Vec<Later>>>,
    hand: Option<PipelineSlot>,
    work: UnitOfWork,
    wakeup: Arc<Notify>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
}

impl Tx {
    /// Begins a transaction and records messages in the inbox, in one round trip. Without messages, there is no round
    /// trip.
    pub(super) async fn begin(
        session: Session,
        work: UnitOfWork,
        wakeup: Arc<Notify>,
        inbox_ids: &[Uuid],
    ) -> Result<Self, StoreError> {
        let mut new = HashSet::new();
        if !inbox_ids.is_empty() {
            let statement = session.prepared(RECORD_IN_INBOX).await?;
            // Pipelined: sent together, answered together.
            let parameters: [&(dyn ToSql + Sync); 1] = [&inbox_ids];
            let taking = try_join(session.begun(), session.query(&statement, &parameters));
            let (_, rows) = session.answered(taking).await?;
            new = rows.iter().map(|row| row.get(0)).collect();
        }
        let (session, new, later) = (Arc::new(session), Arc::new(new), Arc::default());
        Ok(Self { session, new, later, hand: None, work, wakeup, after_commit: Vec::new() })
    }

    /// Takes the turn for a statement, and takes out the deferred statements to send before it.
    fn take_turn(&self) -> Result<Vec<Later>, StoreError> {
        self.hand.as_ref().map_or(Ok(()), PipelineSlot::take_turn)?;
        Ok(std::mem::take(&mut *self.later.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Queries rows.
    ///
    /// # Errors
    /// Fails if the store does not respond, another transaction conflicts, or the statement is invalid.
    pub async fn query(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let statement = self.session.prepared(sql).await?;
        let later = self.take_turn()?;
        let (session, asked) = (&self.session, self.session.query(&statement, parameters));
        let (_, _, rows) = session.answered(try_join3(session.begun(), later::send(session, &later), asked)).await?;
        Ok(rows)
    }

    /// Queries at most one row.
    ///
    /// # Errors
    /// As [`Tx::query`]; also fails if there are more rows.
    pub async fn query_opt(
        &mut self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StoreError> {
        at_most_one(self.query(sql, parameters).await?)
    }

    /// Queries exactly one row.
    ///
    /// # Errors
    /// As [`Tx::query`]; also fails if there is none, or more than one.
    pub async fn query_one(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, StoreError> {
        self.query_opt(sql, parameters).await?.ok_or_else(|| StoreError::broken("expected one row, found none"))
    }

    /// Executes a statement and returns the number of changed rows.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn execute(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let statement = self.session.prepared(sql).await?;
        let later = self.take_turn()?;
        let (session, changing) = (&self.session, self.session.execute(&statement, parameters));
        let (_, _, count) =
            session.answered(try_join3(session.begun(), later::send(session, &later), changing)).await?;
        Ok(count)
    }

    /// Executes a statement without waiting for its result: it is sent together with the next awaited statement, at the
    /// latest with the commit, and fails there. Saves a round trip if the result does not matter.
    ///
    /// # Errors
    /// Fails if the statement is invalid, its parameters do not match, or the store does not respond.
    pub async fn execute_later(&mut self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        let later = Later::new(self.session.prepared(sql).await?, parameters)?;
        let mut before = self.take_turn()?;
        before.push(later);
        *self.later.lock().unwrap_or_else(PoisonError::into_inner) = before;
        Ok(())
    }

    /// The sequence of the first event about a subject that this transaction publishes. Other events about it wait until
    /// the transaction ends. Keep it in a row if events that do not change the row have the same subject: a snapshot of
    /// the row has this sequence then, and `skeleton.mark_of(uuid, bigint)` its mark.
    ///
    /// To avoid deadlocks, make this the last lock of the transaction, as it is of others that publish: they lock the
    /// counters with their commit. For the same reason, ask for one subject, and publish only about this one.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn next_sequence(&mut self, subject: Uuid) -> Result<i64, StoreError> {
        Ok(self.query_one(NEXT_SEQUENCE, &[&subject.to_string()]).await?.get(0))
    }

    /// Runs an action in this process after the transaction has committed, and only then. Use it as a hint for waiting
    /// tasks: it is lost with the process.
    pub fn after_commit(&mut self, act: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(act));
    }
}

impl Publish for Tx {}

impl Transaction for Tx {
    fn unit_of_work(&self) -> &UnitOfWork {
        &self.work
    }

    fn unit_of_work_mut(&mut self) -> &mut UnitOfWork {
        &mut self.work
    }

    fn is_new(&self, message: Uuid) -> bool {
        self.new.contains(&message)
    }

    fn hand(&self, hand: PipelineSlot) -> Option<Self> {
        let (session, new, later) = (self.session.clone(), self.new.clone(), self.later.clone());
        let (work, wakeup) = (UnitOfWork::new(self.work.service().clone()), self.wakeup.clone());
        Some(Self { session, new, later, hand: Some(hand), work, wakeup, after_commit: Vec::new() })
    }

    fn take_over(&mut self, mut hand: Self) {
        self.work.take_over(&mut hand.work);
        self.after_commit.append(&mut hand.after_commit);
    }

    async fn lock_cursors(&mut self, lines: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        let client = &self.session;
        let (lock, given_up) = try_join!(client.prepared(LOCK_LINES), client.prepared(GIVEN_UP))?;
        // Pipelined: one round trip.
        let parameters: [&(dyn ToSql + Sync); 1] = [&lines];
        let locking = try_join3(client.begun(), client.query(&lock, &parameters), client.query(&given_up, &parameters));
        let (_, locked, given_up) = client.answered(locking).await?;
        let mut last: HashMap<String, i64> = locked.iter().map(|row| (row.get(0), row.get(1))).collect();
        for row in &given_up {
            last.entry(row.get(0)).and_modify(|last| *last = past_given_up(*last, [row.get(1)]));
        }
        Ok(last.into_iter().collect())
    }

    async fn advance_cursors(&mut self, reached: &[(String, i64)]) -> Result<(), StoreError> {
        advance_cursors(self, reached.iter().map(|(line, last)| (line.as_str(), *last, None))).await
    }

    async fn advance_lines_at(&mut self, reached: &[(String, i64, DateTime<Utc>)]) -> Result<(), StoreError> {
        advance_cursors(self, reached.iter().map(|(line, last, at)| (line.as_str(), *last, Some(*at)))).await
    }

    async fn line_times(&mut self, lines: &[String]) -> Result<Vec<(String, DateTime<Utc>)>, StoreError> {
        let rows = self.query(LINE_TIMES, &[&lines]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn is_given_up(&mut self, line: &str, number: i64) -> Result<bool, StoreError> {
        let sql = "select from skeleton.given_up where line = $1 and number = $2";
        Ok(self.query_opt(sql, &[&line, &number]).await?.is_some())
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
        self.execute_later(kept::REPLY, &[&request, &reply, &account]).await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.session.is_whole()?;
        let staged = self.work.take_pending();
        let mut later = self.take_turn()?;
        later.extend(record_jobs(&self.session, &staged).await?);
        write_and_commit(&self.session, &later, &staged).await?;
        self.session.has_ended();
        if !staged.is_empty() {
            self.wakeup.notify_one();
        }
        self.work.committed();
        for act in std::mem::take(&mut self.after_commit) {
            act();
        }
        Ok(())
    }

    async fn rollback(self) {
        self.session.undo().await;
    }
}

async fn advance_cursors(
    tx: &mut Tx,
    reached: impl Iterator<Item = (&str, i64, Option<DateTime<Utc>>)>,
) -> Result<(), StoreError> {
    let (mut lines, mut last, mut at) = (Vec::new(), Vec::new(), Vec::new());
    for (line, number, time) in reached {
        lines.push(line);
        last.push(number);
        at.push(time);
    }
    tx.execute_later(ADVANCE_LINES, &[&lines, &last, &at]).await
}

/// The statement that records the jobs among staged messages, if there are any.
async fn record_jobs(client: &Session, staged: &[PendingMessage]) -> Result<Option<Later>, StoreError> {
    let jobs: Vec<_> = staged.iter().filter(|staged| staged.exchange.starts_with("jobs.")).collect();
    if jobs.is_empty() {
        return Ok(None);
    }
    let statement = client.prepared(kept::JOB).await?;
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.envelope.id).collect();
    let names: Vec<&str> = jobs.iter().map(|job| job_name(&job.envelope.name)).collect();
    let times: Vec<_> = jobs.iter().map(|job| job.envelope.time).collect();
    let envelopes = jobs.iter().map(|job| serde_json::to_string(&job.envelope)).collect::<Result<Vec<_>, _>>();
    let envelopes = envelopes.map_err(StoreError::broken)?;
    let bodies: Vec<&str> = jobs.iter().map(|job| job.body.as_str()).collect();
    Later::new(statement, &[&ids, &names, &times, &envelopes, &bodies]).map(Some)
}

async fn write_and_commit(client: &Session, later: &[Later], staged: &[PendingMessage]) -> Result<(), StoreError> {
    if staged.is_empty() {
        let commit = try_join3(client.begun(), later::send(client, later), client.batch_execute("commit"));
        return client.answered(commit).await.map(drop);
    }
    if let [one] = staged {
        return write_one_and_commit(client, later, one).await;
    }
    let statement = client.prepared(STAGE).await?;
    let column = |value: fn(&PendingMessage) -> &str| staged.iter().map(value).collect::<Vec<_>>();
    let exchanges = column(|staged| &staged.exchange);
    let keys = column(|staged| &staged.routing_key);
    let bodies = column(|staged| &staged.body);
    let subjects: Vec<Option<&str>> = staged.iter().map(PendingMessage::numbered_subject).collect();
    let envelopes = staged.iter().map(|staged| serde_json::to_string(&staged.envelope)).collect::<Result<Vec<_>, _>>();
    let envelopes = envelopes.map_err(StoreError::broken)?;
    let parameters: [&(dyn ToSql + Sync); 5] = [&exchanges, &keys, &subjects, &envelopes, &bodies];
    // Pipelined. If the first fails, the transaction is aborted and the second does not commit.
    let writing = client.execute(&statement, &parameters).map_ok(drop);
    let commit = try_join4(client.begun(), later::send(client, later), writing, client.batch_execute("commit"));
    client.answered(commit).await.map(drop)
}

async fn write_one_and_commit(client: &Session, later: &[Later], staged: &PendingMessage) -> Result<(), StoreError> {
    let statement = client.prepared(STAGE_ONE).await?;
    let PendingMessage { exchange, routing_key, envelope, body } = staged;
    let envelope = serde_json::to_string(envelope).map_err(StoreError::broken)?;
    let subject = staged.numbered_subject();
    let parameters: [&(dyn ToSql + Sync); 5] = [exchange, routing_key, &subject, &envelope, body];
    let writing = client.execute(&statement, &parameters).map_ok(drop);
    let commit = try_join4(client.begun(), later::send(client, later), writing, client.batch_execute("commit"));
    client.answered(commit).await.map(drop)
}
