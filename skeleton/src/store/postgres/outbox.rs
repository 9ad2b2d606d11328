//! The outbox as the relay uses it: reads the oldest rows first, and deletes over the session that holds the relay's
//! lock.

use std::{collections::BTreeMap, time::Duration};

use events::Envelope;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio_postgres::{Client, Row, Statement, types::ToSql};

use super::{Postgres, bound::Bound, error::unavailable, timeouts::within, unreadable};
use crate::{
    failure::{StoreError, StoreErrorKind},
    store::{
        Outbox, OutboxRow, Route,
        outbox::{read_envelope, tell_unreadable},
    },
};

/// The advisory lock of the relaying replica: an arbitrary number, the same in every replica.
const RELAY_LOCK: i64 = 0x6b69_7468_0002;

/// Subjects whose sequence is lower than the given one.
const LOWER: &str = "select subject from unnest($1::text[], $2::bigint[]) as reached (subject, last)
    left join skeleton.sequences as h using (subject) where coalesce(h.last, 0) < reached.last";

/// Raises them. Sorted, so that it does not deadlock with a publishing transaction.
const RAISE: &str = "insert into skeleton.sequences as h (subject, last)
    select subject, last from unnest($1::text[], $2::bigint[]) as reached (subject, last) order by subject
    on conflict (subject) do update set last = excluded.last where h.last < excluded.last";

/// The time limit of a statement of the relay: the server's, and the client's if the server does not respond.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(11);

/// By an index without postponed messages.
const NEXT: &str = "select position, exchange, routing_key, sequence, envelope, body from skeleton.outbox
    where position >= $2 and postponed_at is null order by position limit $1";

const REMOVE: &str = "delete from skeleton.outbox where position = any($1)";

const POSTPONE: &str = "update skeleton.outbox as o set postponed_at = clock_timestamp(), ordering_key = p.key
    from unnest($1::bigint[], $2::bigint[]) as p (position, key) where o.position = p.position";

/// Reads one index entry per key. All jobs of a kind have one key: the smallest position of a group would be found by
/// reading them all. The order by the whole index, and `>=` instead of `=`, leave the planner no other way, whatever its
/// statistics say; so it is in the following statements.
const FIRST_POSTPONED: &str = "select key, first.position from (select distinct unnest($1::bigint[])) as keys (key)
    cross join lateral (select ordering_key, position from skeleton.outbox
        where postponed_at is not null and ordering_key >= key order by ordering_key, position limit 1) as first
    where first.ordering_key = key";

/// Finds the routes one by one in their index, and counts at most 10,001 messages of each.
const POSTPONED: &str = "with recursive routes as (
        (select exchange, routing_key from skeleton.outbox where postponed_at is not null
            order by exchange, routing_key limit 1)
        union all
        select next.exchange, next.routing_key from routes as route
        cross join lateral (select exchange, routing_key from skeleton.outbox where postponed_at is not null
            and (exchange, routing_key) > (route.exchange, route.routing_key)
            order by exchange, routing_key limit 1) as next
    )
    select exchange, routing_key, (select count(*) from (select from skeleton.outbox as o where postponed_at is not null
        and (o.exchange, o.routing_key) >= (routes.exchange, routes.routing_key)
        and (o.exchange, o.routing_key) <= (routes.exchange, routes.routing_key)
        order by o.exchange, o.routing_key, o.position limit 10001) as counted)
    from routes";

const POSTPONED_OF: &str = "select position, exchange, routing_key, sequence, envelope, body from skeleton.outbox
    where postponed_at is not null
        and (exchange, routing_key, position) > ($1, $2, $3) and (exchange, routing_key) <= ($1, $2)
    order by exchange, routing_key, position limit $4";

const READMIT: &str = "update skeleton.outbox set postponed_at = null, ordering_key = null where position = any(array(
        select position from skeleton.outbox where postponed_at is not null
            and (exchange, routing_key) >= ($1, $2) and (exchange, routing_key) <= ($1, $2)
        order by exchange, routing_key, position limit $3))
    returning position";

/// The session that holds the lock, if this process has it.
pub(super) type Relay = Mutex<Option<RelaySession>>;

/// The session of a replica that waits for the lock.
pub(super) type Standby = Mutex<Option<Client>>;

/// A session that holds the relay's lock.
pub(super) struct RelaySession {
    client: Client,
    next: Statement,
    remove: Statement,
    bound: Bound,
}

impl RelaySession {
    /// Reads a window, and sets unreadable rows aside.
    async fn read(&mut self, limit: i64) -> Result<Vec<OutboxRow>, tokio_postgres::Error> {
        self.bound.settle(&self.client).await?;
        let found = self.client.query(&self.next, &[&limit, &self.bound.from()]).await?;
        self.bound.has_read(found.first().map(|row| row.get(0)));
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            match outbox_row(row) {
                Ok(row) => rows.push(row),
                Err(reason) => {
                    let position: i64 = row.get(0);
                    unreadable::from_outbox(&self.client, position, &reason).await?;
                    tell_unreadable("outbox", &position.to_string(), &reason);
                }
            }
        }
        Ok(rows)
    }
}

impl Postgres {
    /// Runs a query over the relay's session.
    async fn relayed(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let mut held = self.relay.lock().await;
        let Some(session) = held.as_ref() else { return Err(gone()) };
        let asked = within(LIMIT, session.client.query(sql, parameters)).await;
        kept_if(&mut held, asked)
    }
}

impl Outbox for Postgres {
    async fn next(&self, limit: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let mut held = self.relay.lock().await;
        if held.as_ref().is_none_or(|session| session.client.is_closed()) {
            *held = None;
            *held = claim(self).await?;
        }
        let Some(session) = held.as_mut() else { return Ok(None) };
        let read = within(LIMIT, session.read(limit)).await;
        kept_if(&mut held, read).map(Some)
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        let mut held = self.relay.lock().await;
        let Some(session) = held.as_ref() else { return Err(gone()) };
        let removed = within(LIMIT, session.client.execute(&session.remove, &[&positions])).await;
        kept_if(&mut held, removed).map(drop)
    }

    async fn keep_relaying(&self) -> Result<(), StoreError> {
        // Prevents the session from becoming idle.
        self.relayed("select 1", &[]).await.map(drop)
    }

    async fn postpone(&self, rows: &[&OutboxRow]) -> Result<(), StoreError> {
        let (positions, keys): (Vec<i64>, Vec<i64>) = rows.iter().map(|row| (row.position, row.ordering_key())).unzip();
        self.relayed(POSTPONE, &[&positions, &keys]).await.map(drop)
    }

    async fn first_postponed(&self, keys: &[i64]) -> Result<BTreeMap<i64, i64>, StoreError> {
        Ok(self.relayed(FIRST_POSTPONED, &[&keys]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    async fn postponed(&self) -> Result<BTreeMap<Route, u64>, StoreError> {
        let mut held = self.relay.lock().await;
        let Some(session) = held.as_ref() else { return Err(gone()) };
        let counted = within(LIMIT, session.client.query(POSTPONED, &[])).await;
        // A count that takes too long costs neither the lock nor the position to read from.
        let rows = match counted {
            Err(error) if error.kind == StoreErrorKind::Conflict => return Err(error),
            counted => kept_if(&mut held, counted)?,
        };
        let counted =
            |row: &Row| (Route { exchange: row.get(0), routing_key: row.get(1) }, row.get::<_, i64>(2).unsigned_abs());
        Ok(rows.iter().map(counted).collect())
    }

    async fn postponed_of(&self, route: &Route, after: i64, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        loop {
            let found = self.relayed(POSTPONED_OF, &[&route.exchange, &route.routing_key, &after, &limit]).await?;
            let mut rows = Vec::with_capacity(found.len());
            for row in &found {
                match outbox_row(row) {
                    Ok(row) => rows.push(row),
                    Err(reason) => self.set_outbox_row_aside(row.get(0), &reason).await?,
                }
            }
            // Unreadable ones are set aside now: without them, more fit into the limit.
            if rows.len() == found.len() {
                return Ok(rows);
            }
        }
    }

    async fn readmit(&self, route: &Route, limit: i64) -> Result<Vec<i64>, StoreError> {
        let rows = self.relayed(READMIT, &[&route.exchange, &route.routing_key, &limit]).await?;
        let positions: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        if let (Some(session), Some(first)) = (self.relay.lock().await.as_mut(), positions.iter().min()) {
            session.bound.go_back_to(*first);
        }
        Ok(positions)
    }

    async fn set_outbox_row_aside(&self, position: i64, reason: &str) -> Result<(), StoreError> {
        self.relayed(unreadable::FROM_OUTBOX, &[&position, &reason]).await?;
        tell_unreadable("outbox", &position.to_string(), reason);
        Ok(())
    }

    async fn unreadable(&self) -> Result<i64, StoreError> {
        unreadable::count(self).await
    }

    async fn release_leadership(&self) {
        // The lock is released with the session.
        *self.relay.lock().await = None;
        *self.standby.lock().await = None;
    }

    async fn raise_sequences(&self, reached: &[(String, i64)], dry_run: bool) -> Result<u64, StoreError> {
        let (subjects, last): (Vec<&str>, Vec<i64>) = reached.iter().map(|(name, last)| (name.as_str(), *last)).unzip();
        if dry_run {
            return Ok(self.query(LOWER, &[&subjects, &last]).await?.len() as u64);
        }
        self.execute(RAISE, &[&subjects, &last]).await
    }

    fn wakeup(&self) -> &Notify {
        &self.wakeup
    }
}

/// Drops the session after an error, which also releases the lock.
fn kept_if<T>(held: &mut MutexGuard<'_, Option<RelaySession>>, asked: Result<T, StoreError>) -> Result<T, StoreError> {
    if asked.is_err() {
        **held = None;
    }
    asked
}

fn gone() -> StoreError {
    unavailable("the relay's session is closed")
}

/// Opens a session that holds the relay's lock; `None` if another replica has it. The session of a failed attempt is
/// kept for the next one: a new connection for each would cost the server a process twice a second.
async fn claim(store: &Postgres) -> Result<Option<RelaySession>, StoreError> {
    let mut standby = store.standby.lock().await;
    let client = match standby.take().filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => store.connect().await?,
    };
    let claimed = within(LIMIT, client.query_one("select pg_try_advisory_lock($1)", &[&RELAY_LOCK])).await?;
    if !claimed.get::<_, bool>(0) {
        *standby = Some(client);
        return Ok(None);
    }
    // A deletion need not wait for the disk: if a crash of the database undoes it, the message is sent again under its
    // id.
    let limit = STATEMENT_LIMIT.as_millis();
    // Compiling a statement would take longer than these statements do.
    let limits = format!("set synchronous_commit = off; set jit = off; set statement_timeout = {limit}");
    within(LIMIT, client.batch_execute(&limits)).await?;
    let next = within(LIMIT, client.prepare(NEXT)).await?;
    let remove = within(LIMIT, client.prepare(REMOVE)).await?;
    Ok(Some(RelaySession { client, next, remove, bound: Bound::new() }))
}

fn outbox_row(row: &Row) -> Result<OutboxRow, String> {
    let envelope = read_envelope(row.get(4))?;
    Ok(OutboxRow {
        position: row.get(0),
        exchange: row.get(1),
        routing_key: row.get(2),
        envelope: Envelope { sequence: row.get(3), ..envelope },
        body: row.get::<_, String>(5).into_bytes(),
    })
}
