//! The queries of the gateway.

use chrono::{DateTime, TimeDelta, Utc};
use skeleton::{Postgres, StoreError, store::postgres::Tx};
use uuid::Uuid;

/// The database migrations, in order.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__gateway", include_str!("../migrations/V1__gateway.sql")),
    ("V2__order", include_str!("../migrations/V2__order.sql")),
    ("V10__ended", include_str!("../migrations/V10__ended.sql")),
    ("V13__idempotency", include_str!("../migrations/V13__idempotency.sql")),
    ("V14__erased_streams", include_str!("../migrations/V14__erased_streams.sql")),
];

/// The number of rows kept per account's stream.
const STREAM_LENGTH: i64 = 1_000;

/// A row of an account's stream.
pub struct StreamRow {
    /// Its number; later rows have larger ones.
    pub id: i64,
    /// The event's name.
    pub name: String,
    /// The event's data, JSON without line breaks.
    pub data: String,
}

/// An event to send through a stream.
pub struct StreamEvent<'a> {
    /// The account whose stream it is.
    pub account_id: Uuid,
    /// What it is about; it replaces the earlier event about the same topic.
    pub topic: String,
    /// The event's name.
    pub name: &'a str,
    /// The event's data, JSON without line breaks.
    pub data: String,
}

/// Adds an event to an account's stream, replacing an earlier one about the same topic. Returns the row's number, or
/// `None` if the account is erased.
pub async fn append(tx: &mut Tx, event: &StreamEvent<'_>) -> Result<Option<i64>, StoreError> {
    let sql = "with head as (
            insert into streams as s (account_id, last) values ($1, 1)
            on conflict (account_id) do update set last = s.last + 1 where not s.erased returning last
        )
        insert into stream_events as e (account_id, topic, id, name, data)
        select $1, $2, last, $3, $4 from head
        on conflict (account_id, topic) do update
            set id = excluded.id, name = excluded.name, data = excluded.data, at = now()
        returning id";
    let StreamEvent { account_id, topic, name, data } = event;
    let Some(row) = tx.query_opt(sql, &[account_id, topic, name, data]).await? else { return Ok(None) };
    let id: i64 = row.get(0);
    if id % 100 == 0 {
        shorten(tx, *account_id).await?;
    }
    Ok(Some(id))
}

/// Deletes the oldest rows of a stream that is too long; checked every hundred rows.
async fn shorten(tx: &mut Tx, account_id: Uuid) -> Result<(), StoreError> {
    let sql = "delete from stream_events where account_id = $1 and id <= (
            select id from stream_events where account_id = $1 order by id desc offset $2 limit 1)";
    tx.execute(sql, &[&account_id, &(STREAM_LENGTH - 100)]).await.map(drop)
}

/// The rows of an account's stream after a number, in order.
pub async fn stream_after(
    store: &Postgres,
    account_id: Uuid,
    after: i64,
    limit: i64,
) -> Result<Vec<StreamRow>, StoreError> {
    let sql = "select id, name, data from stream_events where account_id = $1 and id > $2 order by id limit $3";
    let rows = store.query(sql, &[&account_id, &after, &limit]).await?;
    Ok(rows.iter().map(|row| StreamRow { id: row.get(0), name: row.get(1), data: row.get(2) }).collect())
}

/// The newest number in each of these accounts' streams, if any.
pub async fn newest_of(store: &Postgres, accounts: &[Uuid]) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let rows = store.query("select account_id, last from streams where account_id = any($1)", &[&accounts]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Refuses access tokens of this session or account for some time. Returns the end of that time, by the store's clock.
pub async fn end(tx: &mut Tx, id: Uuid, lasts: TimeDelta) -> Result<DateTime<Utc>, StoreError> {
    let sql = "insert into ended as e (id, until) values ($1, now() + make_interval(secs => $2))
        on conflict (id) do update set until = greatest(e.until, excluded.until), written_at = now()
        returning until";
    Ok(tx.query_one(sql, &[&id, &lasts.as_seconds_f64()]).await?.get(0))
}

/// What has ended, as one query of the table returns it.
pub struct EndedSince {
    /// When the query ran, by the store's clock.
    pub looked_at: DateTime<Utc>,
    /// Where the next query begins: rows not visible yet belong to this transaction or a later one.
    pub horizon: String,
    /// Sessions and accounts, and how long tokens of them may exist.
    pub ended: Vec<(Uuid, DateTime<Utc>)>,
}

/// What has ended since the query with this horizon, or everything if there was none. A horizon later than the current
/// one stems from before the store was restored; then everything is returned as well.
pub async fn ended_since(store: &Postgres, horizon: Option<&str>) -> Result<EndedSince, StoreError> {
    let sql = "with now as (select pg_snapshot_xmin(pg_current_snapshot()) as horizon),
        since as (select case when $1::text::xid8 <= horizon then $1::text::xid8 else '0'::xid8 end as horizon from now)
        select now(), (select horizon::text from now), coalesce(array_agg(id), '{}'), coalesce(array_agg(until), '{}')
        from ended where written_by >= (select horizon from since) and until > now()";
    let row = store.query_opt(sql, &[&horizon]).await?;
    let row = row.ok_or_else(|| StoreError::broken("the query for ended sessions returned no row"))?;
    let (ids, until): (Vec<Uuid>, Vec<DateTime<Utc>>) = (row.get(2), row.get(3));
    Ok(EndedSince { looked_at: row.get(0), horizon: row.get(1), ended: ids.into_iter().zip(until).collect() })
}

/// Deletes everything stored for an account, permanently: no event is added to its stream. Returns the number of deleted
/// records.
pub async fn erase_account(tx: &mut Tx, account_id: Uuid) -> Result<u64, StoreError> {
    let streams = tx.execute("delete from streams where account_id = $1 and not erased", &[&account_id]).await?;
    // Waits for transactions that are adding to the stream, so that the statement below sees what they have added.
    let mark = "insert into streams (account_id, last, erased) values ($1, 0, true)
        on conflict (account_id) do update set erased = true";
    tx.execute(mark, &[&account_id]).await?;
    let told = tx.execute("delete from stream_events where account_id = $1", &[&account_id]).await?;
    let responses = tx.forget_responses_to(account_id).await?;
    Ok(told + streams + responses)
}

/// Deletes at most `limit` stream events older than a day. Other replicas may delete others at the same time.
pub async fn remove_old_stream_events(store: &Postgres, limit: i64) -> Result<u64, StoreError> {
    let sql = "delete from stream_events where (account_id, topic) in (
        select account_id, topic from stream_events where at < now() - interval '24 hours'
        order by at limit $1 for update skip locked)";
    store.execute(sql, &[&limit]).await
}

/// Deletes at most `limit` ended sessions and accounts of which no valid token can exist any more.
pub async fn remove_expired_ended(store: &Postgres, limit: i64) -> Result<u64, StoreError> {
    let sql = "delete from ended where id = any(array(
        select id from ended where until < now() - interval '1 minute' limit $1 for update skip locked))";
    store.execute(sql, &[&limit]).await
}
