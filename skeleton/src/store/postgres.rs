//! Postgres: one transaction holds the inbox row, the handler's changes and the outbox rows.
//!
//! Order: a transaction that publishes locks the sequence of each subject until it ends, so positions in the outbox
//! rise in commit order for each subject, and the relay needs no cursor: it sends the oldest rows and deletes what is
//! confirmed. Only the holder of an advisory lock relays; it deletes over the session that holds the lock, so a
//! relay that has lost the lock cannot delete.

mod later;

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use events::Envelope;
use futures::{TryFutureExt, try_join};
use refinery::{Migration, Runner};
use serde::Deserialize;
use tokio::sync::{Mutex, Notify};
use tokio_postgres::{
    Client, NoTls, Row, Statement,
    error::SqlState,
    types::{Json, ToSql},
};
use uuid::Uuid;

use self::later::Later;
use super::{
    Counts, Filter, Outbox, OutboxRow, Plan, Publish, ServiceContext, SetAside, Staged, State, Store, Transaction, Work,
};
use crate::{
    config::{Secret, Settings},
    failure::{StoreError, StoreErrorKind},
};

const MESSAGING: &str = include_str!("sql/V1__messaging.sql");

/// Any two numbers, the same in every replica: the lock around migrations, and the relay's.
const MIGRATION_LOCK: i64 = 0x6b69_7468_0001;
const RELAY_LOCK: i64 = 0x6b69_7468_0002;

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

/// A Postgres database of a service's own.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    config: Arc<tokio_postgres::Config>,
    migrations: &'static [(&'static str, &'static str)],
    bell: Arc<Notify>,
    relay: Arc<Mutex<Option<RelaySession>>>,
}

/// A Postgres store that is not open yet.
pub struct PostgresPlan {
    migrations: &'static [(&'static str, &'static str)],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSettings {
    /// `postgres://user@host:port/database`, without the password.
    url: String,
    #[serde(default)]
    password: Secret,
    /// How many connections at most.
    #[serde(default = "sixteen")]
    connections: usize,
}

fn sixteen() -> usize {
    16
}

struct RelaySession {
    client: Client,
    next: Statement,
    remove: Statement,
}

impl Postgres {
    /// A store whose structure these migrations make: name (`V1__contacts`) and SQL, in order.
    pub fn migrated_by(migrations: &'static [(&'static str, &'static str)]) -> PostgresPlan {
        PostgresPlan { migrations }
    }

    /// Asks for rows outside of a transaction.
    ///
    /// # Errors
    /// Where the store does not answer or the statement is wrong.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let client = self.pool.get().await.map_err(unavailable)?;
        let statement = client.prepare_cached(sql).await.map_err(store_error)?;
        client.query(&statement, parameters).await.map_err(store_error)
    }

    /// Asks for one row or none, outside of a transaction.
    ///
    /// # Errors
    /// As [`Postgres::query`]; also where there are more rows.
    pub async fn query_opt(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, StoreError> {
        at_most_one(self.query(sql, parameters).await?)
    }

    /// Changes rows, as a transaction of its own; for housekeeping only.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let client = self.pool.get().await.map_err(unavailable)?;
        let statement = client.prepare_cached(sql).await.map_err(store_error)?;
        client.execute(&statement, parameters).await.map_err(store_error)
    }

    /// How many connections are in use and may be at most.
    pub fn connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size - status.available, status.max_size)
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = self.config.connect(NoTls);
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let (client, connection) =
            connected.map_err(|_| unavailable("no connection within 5 s"))?.map_err(unavailable)?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A session that holds the relay's lock; `None` where another replica has it.
    async fn claim_relay(&self) -> Result<Option<RelaySession>, StoreError> {
        let client = self.connect().await?;
        let claimed = client.query_one("select pg_try_advisory_lock($1)", &[&RELAY_LOCK]).await.map_err(store_error)?;
        if !claimed.get::<_, bool>(0) {
            return Ok(None);
        }
        let next = "select position, exchange, routing_key, sequence, envelope, body from skeleton.outbox order by position limit $1";
        let next = client.prepare(next).await.map_err(store_error)?;
        let remove =
            client.prepare("delete from skeleton.outbox where position = any($1)").await.map_err(store_error)?;
        Ok(Some(RelaySession { client, next, remove }))
    }
}

impl Plan for PostgresPlan {
    type Store = Postgres;

    fn open(&self, settings: &Settings) -> Result<Postgres, StoreError> {
        let section: StoreSettings = settings.section("store").map_err(StoreError::broken)?;
        let mut config: tokio_postgres::Config = section.url.parse().map_err(StoreError::broken)?;
        if !section.password.reveal().is_empty() {
            config.password(section.password.reveal());
        }
        config
            .application_name(settings.service())
            .connect_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(10));
        let manager =
            Manager::from_config(config.clone(), NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let timeouts = Timeouts {
            wait: Some(Duration::from_secs(5)),
            create: Some(Duration::from_secs(5)),
            recycle: Some(Duration::from_secs(2)),
        };
        let pool = Pool::builder(manager).max_size(section.connections).timeouts(timeouts).runtime(Runtime::Tokio1);
        Ok(Postgres {
            pool: pool.build().map_err(StoreError::broken)?,
            config: Arc::new(config),
            migrations: self.migrations,
            bell: Arc::default(),
            relay: Arc::default(),
        })
    }
}

impl Store for Postgres {
    type Tx = Tx;

    async fn begin(&self, service: &Arc<ServiceContext>, take_in: &[Uuid]) -> Result<Tx, StoreError> {
        let client = self.pool.get().await.map_err(unavailable)?;
        let mut tx = Tx {
            client: Some(client),
            new: HashSet::new(),
            later: Vec::new(),
            work: Work::new(service.clone()),
            bell: self.bell.clone(),
            after_commit: Vec::new(),
        };
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

    async fn ping(&self) -> Result<(), StoreError> {
        self.query("select 1", &[]).await.map(drop)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut client = self.connect().await?;
        // The lock goes with the session. Without it, replicas that start together hurt each other.
        client.batch_execute(&format!("set lock_timeout = '120s'; select pg_advisory_lock({MIGRATION_LOCK}); create schema if not exists skeleton")).await.map_err(store_error)?;
        migrate(&mut client, "skeleton.skeleton_migrations", &[("V1__messaging", MESSAGING)]).await?;
        migrate(&mut client, "skeleton.service_migrations", self.migrations).await
    }

    async fn failures_of(&self, message: Uuid) -> Result<u32, StoreError> {
        let sql = "select attempts from skeleton.set_aside where message_id = $1";
        let row = self.query_opt(sql, &[&message]).await?;
        Ok(row.map_or(0, |row| row.get::<_, i32>(0).unsigned_abs()))
    }

    async fn set_aside(&self, kept: &SetAside) -> Result<(), StoreError> {
        let sql = "insert into skeleton.set_aside as s (message_id, queue, name, subject, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            on conflict (message_id) do update set state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at,
                reason = excluded.reason, last_failed_at = excluded.last_failed_at";
        let attempts = i32::try_from(kept.attempts).unwrap_or(i32::MAX);
        self.execute(
            sql,
            &[
                &kept.message,
                &kept.queue,
                &kept.name,
                &kept.subject,
                &Json(&kept.headers),
                &kept.body,
                &kept.state.as_str(),
                &attempts,
                &kept.due_at,
                &kept.reason,
                &kept.first_failed_at,
                &kept.last_failed_at,
            ],
        )
        .await
        .map(drop)
    }

    async fn due(&self, queue: &str, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        let sql = "select message_id from skeleton.set_aside where queue = $1 and state = 'waiting' and due_at <= now() order by due_at limit $2";
        Ok(self.query(sql, &[&queue, &limit]).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn list_set_aside(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        let sql = "select message_id, queue, name, subject, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at
            from skeleton.set_aside
            where ($1::uuid is null or message_id = $1) and ($2::text is null or name = $2) and ($3::text is null or subject = $3)
                and ($4::text is null or strpos(reason, $4) > 0) and ($5::text is null or state = $5)
            order by first_failed_at, message_id limit $6";
        let state = filter.state.map(State::as_str);
        let rows =
            self.query(sql, &[&filter.id, &filter.name, &filter.subject, &filter.reason, &state, &limit]).await?;
        Ok(rows.iter().map(set_aside).collect())
    }

    async fn redrive(&self, messages: &[Uuid]) -> Result<u64, StoreError> {
        let sql = "update skeleton.set_aside set state = 'waiting', attempts = 0, due_at = now() where message_id = any($1) and state = 'parked'";
        self.execute(sql, &[&messages]).await
    }

    async fn drop_parked(&self, messages: &[Uuid]) -> Result<u64, StoreError> {
        self.execute("delete from skeleton.set_aside where message_id = any($1) and state = 'parked'", &[&messages])
            .await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let sql = "select (select count(*) from skeleton.outbox),
            coalesce((select extract(epoch from now() - min(written_at)) from skeleton.outbox), 0)::float8,
            (select count(*) from skeleton.set_aside where state = 'waiting'), (select count(*) from skeleton.set_aside where state = 'parked')";
        let rows = self.query(sql, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::broken("counting gave no row"))?;
        Ok(Counts {
            outbox: row.get(0),
            outbox_age_seconds: row.get::<_, f64>(1).max(0.0),
            waiting: row.get(2),
            parked: row.get(3),
        })
    }

    async fn clean_up(&self) -> Result<u64, StoreError> {
        let sql = "delete from skeleton.inbox where message_id = any(array(
            select message_id from skeleton.inbox where taken_in_at < now() - interval '14 days' limit 10000))";
        self.execute(sql, &[]).await
    }
}

impl Outbox for Postgres {
    async fn next(&self, limit: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let mut held = self.relay.lock().await;
        if held.as_ref().is_none_or(|session| session.client.is_closed()) {
            *held = self.claim_relay().await?;
        }
        let Some(session) = held.as_ref() else { return Ok(None) };
        let asked = within(Duration::from_secs(10), session.client.query(&session.next, &[&limit])).await;
        if asked.is_err() {
            *held = None;
        }
        asked?.iter().map(outbox_row).collect::<Result<Vec<_>, _>>().map(Some)
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        let mut held = self.relay.lock().await;
        let Some(session) = held.as_ref() else { return Err(unavailable("the relay's session is gone")) };
        let removed = within(Duration::from_secs(10), session.client.execute(&session.remove, &[&positions])).await;
        if removed.is_err() {
            *held = None;
        }
        removed.map(drop)
    }

    fn bell(&self) -> &Notify {
        &self.bell
    }
}

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

    async fn take_waiting(&mut self, message: Uuid) -> Result<Option<SetAside>, StoreError> {
        let sql = "delete from skeleton.set_aside where message_id = (
                select message_id from skeleton.set_aside where message_id = $1 and state = 'waiting' for update skip locked)
            returning message_id, queue, name, subject, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at";
        Ok(self.query_opt(sql, &[&message]).await?.as_ref().map(set_aside))
    }

    async fn first_reply(&mut self, request: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.query_opt("select reply from skeleton.inbox where message_id = $1", &[&request]).await?;
        Ok(row.and_then(|row| row.get(0)))
    }

    async fn keep_reply(&mut self, request: Uuid, reply: &[u8]) -> Result<(), StoreError> {
        self.execute_later("update skeleton.inbox set reply = $2 where message_id = $1", &[&request, &reply]).await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let staged = self.work.take_staged();
        let client = self.client.take().ok_or_else(|| StoreError::broken("the transaction has ended"))?;
        let outcome = write_and_commit(&client, &self.later, &staged).await;
        if outcome.is_err() {
            // Closed, not returned: whatever state it is in ends with it.
            drop(Object::take(client));
            return outcome;
        }
        if !staged.is_empty() {
            self.bell.notify_one();
        }
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

async fn write_and_commit(client: &Object, later: &[Later], staged: &[Staged]) -> Result<(), StoreError> {
    if staged.is_empty() {
        return try_join!(later::send(client, later), client.batch_execute("commit")).map_err(store_error).map(drop);
    }
    let statement = client.prepare_cached(STAGE).await.map_err(store_error)?;
    let column = |value: fn(&Staged) -> &str| staged.iter().map(value).collect::<Vec<_>>();
    let exchanges = column(|staged| &staged.exchange);
    let keys = column(|staged| &staged.routing_key);
    let bodies = column(|staged| &staged.body);
    let subjects: Vec<Option<&str>> = staged.iter().map(|staged| staged.envelope.subject.as_deref()).collect();
    let envelopes = staged.iter().map(|staged| serde_json::to_string(&staged.envelope)).collect::<Result<Vec<_>, _>>();
    let envelopes = envelopes.map_err(StoreError::broken)?;
    let parameters: [&(dyn ToSql + Sync); 5] = [&exchanges, &keys, &subjects, &envelopes, &bodies];
    // Sent together, answered together. Where the first fails, the second finds the transaction aborted: no commit.
    let writing = client.execute(&statement, &parameters).map_ok(drop);
    try_join!(later::send(client, later), writing, client.batch_execute("commit")).map_err(store_error).map(drop)
}

async fn migrate(client: &mut Client, table: &str, migrations: &[(&str, &str)]) -> Result<(), StoreError> {
    let migrations = migrations
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(StoreError::broken)?;
    let mut runner = Runner::new(&migrations);
    runner.set_migration_table_name(table);
    runner.run_async(client).await.map(drop).map_err(|error| StoreError::broken(format!("a migration failed: {error}")))
}

fn set_aside(row: &Row) -> SetAside {
    SetAside {
        message: row.get(0),
        queue: row.get(1),
        name: row.get(2),
        subject: row.get(3),
        headers: row.get::<_, Json<_>>(4).0,
        body: row.get(5),
        state: State::from_word(row.get(6)),
        attempts: row.get::<_, i32>(7).unsigned_abs(),
        due_at: row.get(8),
        reason: row.get(9),
        first_failed_at: row.get(10),
        last_failed_at: row.get(11),
    }
}

fn outbox_row(row: &Row) -> Result<OutboxRow, StoreError> {
    let envelope: Envelope = serde_json::from_str(row.get(4)).map_err(StoreError::broken)?;
    Ok(OutboxRow {
        position: row.get(0),
        exchange: row.get(1),
        routing_key: row.get(2),
        envelope: Envelope { sequence: row.get(3), ..envelope },
        body: row.get::<_, String>(5).into_bytes(),
    })
}

fn at_most_one(mut rows: Vec<Row>) -> Result<Option<Row>, StoreError> {
    if rows.len() > 1 {
        return Err(StoreError::broken(format!("one row was expected, there are {}", rows.len())));
    }
    Ok(rows.pop())
}

async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(store_error),
        Err(_) => Err(unavailable(format!("no answer within {} s", limit.as_secs()))),
    }
}

fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::unavailable(format!("postgres: {error}"))
}

/// Says what an error of the library means for the work at hand.
fn store_error(error: tokio_postgres::Error) -> StoreError {
    let text = match error.as_db_error() {
        // Without the detail: it may hold a row's values.
        Some(db) => format!("postgres: {} ({})", db.message(), db.code().code()),
        None => format!("postgres: {error}"),
    };
    let Some(code) = error.code() else {
        let kind = if error.is_closed()
            || std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>())
        {
            StoreErrorKind::Unavailable
        } else {
            StoreErrorKind::Broken
        };
        return StoreError::new(kind, text);
    };
    let passing = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::IN_FAILED_SQL_TRANSACTION,
    ];
    let kind = match code.code() {
        // Connection trouble, too few resources, shut down or starting up.
        code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => {
            StoreErrorKind::Unavailable
        }
        _ if passing.contains(code) => StoreErrorKind::Conflict,
        _ => StoreErrorKind::Broken,
    };
    let constraint = error.as_db_error().and_then(|db| db.constraint());
    let plain = StoreError::new(kind, text);
    constraint.map_or(plain.clone(), |constraint| plain.with_constraint(constraint))
}
