//! Every query of the gateway.

use chrono::{DateTime, Utc};
use skeleton::{Postgres, StoreError, store::postgres::Tx};
use uuid::Uuid;

/// What makes the structure of the database, in order.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__gateway", include_str!("../migrations/V1__gateway.sql")),
    ("V2__order", include_str!("../migrations/V2__order.sql")),
    ("V10__ended", include_str!("../migrations/V10__ended.sql")),
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
    let answers = tx.execute("delete from idempotency_keys where account_id = $1", &[&account_id]).await?;
    Ok(told + streams + answers)
}

/// What is kept for a limited time, and how at most `$1` of it is removed. Another replica may be at it as well.
pub const EXPIRING: &[(&str, &str)] = &[
    (
        "stream events",
        "delete from stream_events where (account_id, topic) in (
            select account_id, topic from stream_events where at < now() - interval '24 hours'
            order by at limit $1 for update skip locked)",
    ),
    (
        "idempotency keys",
        "delete from idempotency_keys where key_hash = any(array(
            select key_hash from idempotency_keys where expires_at < now()
            order by expires_at limit $1 for update skip locked))",
    ),
    (
        "ended",
        "delete from ended where id = any(array(
            select id from ended where until < now() - interval '1 minute' limit $1 for update skip locked))",
    ),
];

/// Removes at most `limit` rows with a statement of [`EXPIRING`].
pub async fn remove_expired(store: &Postgres, sql: &str, limit: i64) -> Result<u64, StoreError> {
    store.execute(sql, &[&limit]).await
}

/// An order under an idempotency key: what must be the same when it comes again.
#[derive(Clone, Debug)]
pub struct KeyedOrder {
    /// Names the key and who gave it.
    pub key_hash: Vec<u8>,
    /// Whose order it is, where it needs an account.
    pub account_id: Option<Uuid>,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Tells bodies apart.
    pub body_hash: Vec<u8>,
}

/// What is known of a key.
pub struct KeyRow {
    /// The order it was used for.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its body.
    pub body_hash: Vec<u8>,
    /// The answer, where there is one.
    pub answer: Option<KeptAnswer>,
}

/// An answer as it was given first.
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: i32,
    /// The `location` header.
    pub location: Option<String>,
    /// The `content-type` header.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Takes a key that is new, or whose time is over. Returns the id to ask under; `None` where the key is known.
pub async fn take_key(store: &Postgres, order: &KeyedOrder, request_id: Uuid) -> Result<Option<Uuid>, StoreError> {
    let sql = "insert into idempotency_keys as k
            (key_hash, account_id, method, path, body_hash, request_id, locked_until, expires_at)
        values ($1, $2, $3, $4, $5, $6, now() + interval '60 seconds', now() + interval '24 hours')
        on conflict (key_hash) do update set account_id = excluded.account_id, method = excluded.method,
            path = excluded.path, body_hash = excluded.body_hash, request_id = excluded.request_id,
            locked_until = excluded.locked_until, status = null, location = null, content_type = null, body = null,
            expires_at = excluded.expires_at
        where k.expires_at < now()
        returning request_id";
    let KeyedOrder { key_hash, account_id, method, path, body_hash } = order;
    let row = store.query_opt(sql, &[key_hash, account_id, method, path, body_hash, &request_id]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// What is known of a key.
pub async fn find_key(store: &Postgres, key_hash: &[u8]) -> Result<Option<KeyRow>, StoreError> {
    let sql = "select method, path, body_hash, status, location, content_type, body
        from idempotency_keys where key_hash = $1";
    let row = store.query_opt(sql, &[&key_hash]).await?;
    Ok(row.map(|row| KeyRow {
        method: row.get(0),
        path: row.get(1),
        body_hash: row.get(2),
        answer: row.get::<_, Option<i32>>(3).map(|status| KeptAnswer {
            status,
            location: row.get(4),
            content_type: row.get(5),
            body: row.get::<_, Option<Vec<u8>>>(6).unwrap_or_default(),
        }),
    }))
}

/// Takes a key over whose order was begun and given up. Returns the id to ask under, the same as before.
pub async fn take_over_key(store: &Postgres, key_hash: &[u8]) -> Result<Option<Uuid>, StoreError> {
    let sql = "update idempotency_keys set locked_until = now() + interval '60 seconds'
        where key_hash = $1 and status is null and locked_until < now() returning request_id";
    Ok(store.query_opt(sql, &[&key_hash]).await?.map(|row| row.get(0)))
}

/// Keeps the answer to an order.
pub async fn keep_answer(store: &Postgres, key_hash: &[u8], answer: &KeptAnswer) -> Result<(), StoreError> {
    let sql =
        "update idempotency_keys set locked_until = null, status = $2, location = $3, content_type = $4, body = $5
        where key_hash = $1";
    let KeptAnswer { status, location, content_type, body } = answer;
    store.execute(sql, &[&key_hash, status, location, content_type, body]).await.map(drop)
}

/// Lets the same order be given again: it came to nothing that would be worth keeping.
pub async fn release_key(store: &Postgres, key_hash: &[u8]) -> Result<(), StoreError> {
    let sql = "update idempotency_keys set locked_until = '-infinity' where key_hash = $1";
    store.execute(sql, &[&key_hash]).await.map(drop)
}
