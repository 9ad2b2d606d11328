//! Every query of the gateway.

use chrono::{DateTime, Utc};
use skeleton::{Postgres, StoreError, store::postgres::Tx};
use uuid::Uuid;

/// What makes the structure of the database, in order.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__gateway", include_str!("../migrations/V1__gateway.sql")),
    ("V2__order", include_str!("../migrations/V2__order.sql")),
    ("V10__ended", include_str!("../migrations/V10__ended.sql")),
    ("V13__idempotency", include_str!("../migrations/V13__idempotency.sql")),
];

/// How many rows of an account's stream are kept.
const STREAM_LENGTH: i64 = 1_000;

/// A row of an account's stream.
pub struct StreamRow {
    /// Its number; later rows have larger ones.
    pub id: i64,
    /// The event's name.
    pub name: String,
    /// The event's data, JSON without line ends.
    pub data: String,
}

/// What a stream is to tell.
pub struct StreamEvent<'a> {
    /// Whose stream.
    pub account_id: Uuid,
    /// What it is about; takes the place of what was told about it before.
    pub topic: String,
    /// The event's name.
    pub name: &'a str,
    /// The event's data, JSON without line ends.
    pub data: String,
}

/// Adds to an account's stream, in place of what it says about the same, and returns the row's number.
pub async fn append(tx: &mut Tx, event: &StreamEvent<'_>) -> Result<i64, StoreError> {
    let sql = "with head as (
            insert into streams as s (account_id, last) values ($1, 1)
            on conflict (account_id) do update set last = s.last + 1 returning last
        )
        insert into stream_events as e (account_id, topic, id, name, data)
        select $1, $2, last, $3, $4 from head
        on conflict (account_id, topic) do update
            set id = excluded.id, name = excluded.name, data = excluded.data, at = now()
        returning id";
    let StreamEvent { account_id, topic, name, data } = event;
    let id: i64 = tx.query_one(sql, &[account_id, topic, name, data]).await?.get(0);
    if id % 100 == 0 {
        shorten(tx, *account_id).await?;
    }
    Ok(id)
}

/// Forgets the oldest rows of a stream that has grown too long; looked at every hundred rows.
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

/// The newest number in each of these accounts' streams, where there is one.
pub async fn newest_of(store: &Postgres, accounts: &[Uuid]) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let rows = store.query("select account_id, last from streams where account_id = any($1)", &[&accounts]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Refuses access tokens that name this session or account.
pub async fn end(tx: &mut Tx, id: Uuid, until: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "insert into ended as e (id, until) values ($1, $2)
        on conflict (id) do update set until = greatest(e.until, excluded.until), written_at = now()";
    tx.execute(sql, &[&id, &until]).await.map(drop)
}

/// What has ended, as one look at the table finds it.
pub struct EndedSince {
    /// When this was looked up, by the store's clock.
    pub looked_at: DateTime<Utc>,
    /// Where the next look begins: what is not visible yet will be of this transaction or a later one.
    pub horizon: String,
    /// Sessions and accounts, and how long tokens may name them.
    pub ended: Vec<(Uuid, DateTime<Utc>)>,
}

/// What has ended since the look with this horizon, or all where there was none. A horizon later than this one is of
/// another history, before the store was restored: then it is all as well.
pub async fn ended_since(store: &Postgres, horizon: Option<&str>) -> Result<EndedSince, StoreError> {
    let sql = "with now as (select pg_snapshot_xmin(pg_current_snapshot()) as horizon),
        since as (select case when $1::text::xid8 <= horizon then $1::text::xid8 else '0'::xid8 end as horizon from now)
        select now(), (select horizon::text from now), coalesce(array_agg(id), '{}'), coalesce(array_agg(until), '{}')
        from ended where written_by >= (select horizon from since) and until > now()";
    let row = store.query_opt(sql, &[&horizon]).await?;
    let row = row.ok_or_else(|| StoreError::broken("looking for what has ended gave no row"))?;
    let (ids, until): (Vec<Uuid>, Vec<DateTime<Utc>>) = (row.get(2), row.get(3));
    Ok(EndedSince { looked_at: row.get(0), horizon: row.get(1), ended: ids.into_iter().zip(until).collect() })
}

/// Forgets everything that is kept for an account. Returns how many records it was.
pub async fn forget_account(tx: &mut Tx, account_id: Uuid) -> Result<u64, StoreError> {
    let told = tx.execute("delete from stream_events where account_id = $1", &[&account_id]).await?;
    let streams = tx.execute("delete from streams where account_id = $1", &[&account_id]).await?;
    let responses = tx.forget_responses_to(account_id).await?;
    Ok(told + streams + responses)
}

/// Removes at most `limit` stream events that are older than a day. Another replica may remove others meanwhile.
pub async fn remove_old_stream_events(store: &Postgres, limit: i64) -> Result<u64, StoreError> {
    let sql = "delete from stream_events where (account_id, topic) in (
        select account_id, topic from stream_events where at < now() - interval '24 hours'
        order by at limit $1 for update skip locked)";
    store.execute(sql, &[&limit]).await
}

/// Removes at most `limit` ended sessions and accounts that no valid token can name any more.
pub async fn remove_expired_ended(store: &Postgres, limit: i64) -> Result<u64, StoreError> {
    let sql = "delete from ended where id = any(array(
        select id from ended where until < now() - interval '1 minute' limit $1 for update skip locked))";
    store.execute(sql, &[&limit]).await
}
