//! The queries of this service.

use chrono::{DateTime, TimeDelta, Utc};
use skeleton::{
    Failure, Postgres, StoreError,
    rebuild::{Slice, SnapshotPage, Sum},
    store::postgres::Tx,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::{Account, AccountRefusal, Device, Email, Failures, KnownToken, Name, Session};

/// The database migrations.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__accounts", include_str!("../migrations/V1__accounts.sql")),
    ("V2__erasures", include_str!("../migrations/V2__erasures.sql")),
    ("V3__ended_sessions", include_str!("../migrations/V3__ended_sessions.sql")),
    ("V4__sequences", include_str!("../migrations/V4__sequences.sql")),
];

/// How many days the receipt of a finished erasure is kept.
pub const RECEIPT_DAYS: i64 = 400;

/// The number of devices kept per account.
pub const DEVICES: i64 = 50;

/// Inserts an account.
///
/// # Errors
/// [`AccountRefusal::EmailTaken`] if another account has its address.
pub async fn insert_account(tx: &mut Tx, account: &Account, password_hash: &str) -> Result<(), Failure> {
    let inserted = tx
        .execute(
            "insert into accounts (account_id, email, name, password_hash, discoverable, nameable, created_at)
             values ($1, $2, $3, $4, $5, $6, $7) on conflict on constraint accounts_email do nothing",
            &[
                &account.id,
                &account.email.as_str(),
                &account.name.as_str(),
                &password_hash,
                &account.discoverable,
                &account.nameable,
                &account.created_at,
            ],
        )
        .await?;
    if inserted == 0 { Err(AccountRefusal::EmailTaken.into()) } else { Ok(()) }
}

/// An account, if it exists.
pub async fn find_account(store: &Postgres, account: Uuid) -> Result<Option<Account>, StoreError> {
    let sql = "select account_id, email, name, discoverable, nameable, created_at from accounts where account_id = $1";
    store.query_opt(sql, &[&account]).await?.map(read_account).transpose()
}

/// The accounts of a slice after the given one, ordered by id, each with the sequence of the event that its state is from.
pub async fn snapshots(store: &Postgres, page: &SnapshotPage) -> Result<Vec<(Account, i64)>, StoreError> {
    let SnapshotPage { within, after, limit } = page;
    let sql = "select account_id, email, name, discoverable, nameable, created_at, sequence
        from accounts where account_id between $1 and $2 and ($3::uuid is null or account_id > $3)
        order by account_id limit $4";
    let rows = store.query(sql, &[&within.first(), &within.last(), after, limit]).await?;
    let with_sequence = |row: Row| {
        let sequence = row.get(6);
        Ok((read_account(row)?, sequence))
    };
    rows.into_iter().map(with_sequence).collect()
}

/// The number of accounts in a slice, and their checksum.
pub async fn sum(store: &Postgres, slice: &Slice) -> Result<Sum, StoreError> {
    let sql =
        "select skeleton.checksum(coalesce(bit_xor(skeleton.mark_of(account_id, sequence)), 0::bit(64))), count(*)
        from accounts where account_id between $1 and $2";
    let row = store.query_one(sql, &[&slice.first(), &slice.last()]).await?;
    Ok(Sum { count: row.get(1), checksum: row.get(0) })
}

/// The e-mail address of an account, if it exists. An account keeps its address.
pub async fn email_of(tx: &mut Tx, account: Uuid) -> Result<Option<String>, StoreError> {
    let row = tx.query_opt("select email from accounts where account_id = $1", &[&account]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Whether an account was erased, in the last [`RECEIPT_DAYS`].
pub async fn was_erased(tx: &mut Tx, account: Uuid) -> Result<bool, StoreError> {
    let found = tx.query_opt("select from erasure_receipts where account_id = $1 limit 1", &[&account]).await?;
    Ok(found.is_some())
}

/// An account, locked until the transaction ends.
pub async fn find_account_to_change(tx: &mut Tx, account: Uuid) -> Result<Option<Account>, StoreError> {
    let sql = "select account_id, email, name, discoverable, nameable, created_at from accounts where account_id = $1 for update";
    tx.query_opt(sql, &[&account]).await?.map(read_account).transpose()
}

/// Updates the values that an owner may change. The first event about the account that the transaction publishes must
/// tell them.
pub async fn update_account(tx: &mut Tx, account: &Account) -> Result<(), StoreError> {
    let sql = "update accounts set name = $2, discoverable = $3, nameable = $4, sequence = $5 where account_id = $1";
    let (name, sequence) = (account.name.as_str(), tx.next_sequence(account.id).await?);
    tx.execute(sql, &[&account.id, &name, &account.discoverable, &account.nameable, &sequence]).await.map(drop)
}

/// Deletes an account with all its data except the count of failed sign-ins. Returns the number of deleted devices,
/// plus one for the account itself.
pub async fn delete_account(tx: &mut Tx, account: Uuid) -> Result<u64, StoreError> {
    let devices = tx.execute("delete from known_devices where account_id = $1", &[&account]).await?;
    Ok(devices + tx.execute("delete from accounts where account_id = $1", &[&account]).await?)
}

/// Inserts the receipt of an erasure that has begun.
pub async fn insert_receipt(tx: &mut Tx, receipt: Uuid, account: Uuid, at: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "insert into erasure_receipts (receipt_id, account_id, begun_at) values ($1, $2, $3)";
    tx.execute_later(sql, &[&receipt, &account, &at]).await
}

/// Marks the receipt of an erasure as finished.
pub async fn finish_receipt(tx: &mut Tx, receipt: Uuid, at: DateTime<Utc>) -> Result<(), StoreError> {
    tx.execute_later("update erasure_receipts set finished_at = $2 where receipt_id = $1", &[&receipt, &at]).await
}

/// The account that a receipt belongs to.
pub async fn find_erased_account(store: &Postgres, receipt: Uuid) -> Result<Option<Uuid>, StoreError> {
    let row = store.query_opt("select account_id from erasure_receipts where receipt_id = $1", &[&receipt]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// The account with an address, and its password hash.
pub async fn find_password(store: &Postgres, email: &Email) -> Result<Option<(Uuid, String)>, StoreError> {
    let row =
        store.query_opt("select account_id, password_hash from accounts where email = $1", &[&email.as_str()]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

/// The password hash of an account.
pub async fn find_password_of(store: &Postgres, account: Uuid) -> Result<Option<String>, StoreError> {
    let row = store.query_opt("select password_hash from accounts where account_id = $1", &[&account]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Whether this is still the account's password hash; locks the row until the transaction ends.
pub async fn has_password(tx: &mut Tx, account: Uuid, password_hash: &str) -> Result<bool, StoreError> {
    let sql = "select 1 from accounts where account_id = $1 and password_hash = $2 for share";
    Ok(tx.query_opt(sql, &[&account, &password_hash]).await?.is_some())
}

/// Replaces a known password hash. Returns whether it was still the current one.
pub async fn replace_password(tx: &mut Tx, account: Uuid, known: &str, new: &str) -> Result<bool, StoreError> {
    let sql = "update accounts set password_hash = $3 where account_id = $1 and password_hash = $2";
    Ok(tx.execute(sql, &[&account, &known, &new]).await? > 0)
}

/// The failed sign-ins of an address.
pub async fn find_failures(store: &Postgres, address: &[u8]) -> Result<Option<Failures>, StoreError> {
    let row = store.query_opt("select failures, since from failed_sign_ins where address = $1", &[&address]).await?;
    Ok(row.map(read_failures))
}

/// Counts an attempt as failed until it is forgotten. The count restarts at one if the last window began before
/// `since`. Returns the failures before it; concurrent attempts are counted after it.
pub async fn count_failure(
    tx: &mut Tx,
    address: &[u8],
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Failures, StoreError> {
    tx.query_one(
        "insert into failed_sign_ins as f (address, failures, since) values ($1, 1, $3)
         on conflict (address) do update set
             failures = case when f.since < $2 then 1 else f.failures + 1 end,
             since = case when f.since < $2 then $3 else f.since end
         returning failures - 1, since",
        &[&address, &since, &now],
    )
    .await
    .map(read_failures)
}

/// Resets the failures of an address.
pub async fn forget_failures(tx: &mut Tx, address: &[u8]) -> Result<(), StoreError> {
    tx.execute("delete from failed_sign_ins where address = $1", &[&address]).await.map(drop)
}

/// Whether a session was ended before it expired.
pub async fn has_ended(tx: &mut Tx, session: Uuid) -> Result<bool, StoreError> {
    let sql = "select from ended_sessions where session_id = $1";
    Ok(tx.query_opt(sql, &[&session]).await?.is_some())
}

/// Inserts a session. Returns whether it is new.
pub async fn insert_session(tx: &mut Tx, session: &Session, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let sql = "insert into sessions (session_id, account_id, opened_at, refreshed_at, tokens_expire_at)
         values ($1, $2, $3, $3, $4) on conflict do nothing";
    Ok(tx.execute(sql, &[&session.id, &session.account_id, &now, &session.tokens_expire_at]).await? > 0)
}

/// Forgets all devices of an account but the newest.
const FORGET_DEVICES: &str = "delete from known_devices where account_id = $1 and device in (
    select device from known_devices where account_id = $1 order by first_seen_at desc, device offset $2)";

/// Stores a device. Returns whether it is new to an account that has used other devices before. A client names its
/// device itself, so only the newest [`DEVICES`] are kept.
pub async fn remember_device(
    tx: &mut Tx,
    account: Uuid,
    device: &Device,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = tx
        .query_opt(
            "insert into known_devices (account_id, device, first_seen_at) values ($1, $2, $3) on conflict do nothing
             returning exists (select from known_devices where account_id = $1)",
            &[&account, &device.as_str(), &now],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    tx.execute_later(FORGET_DEVICES, &[&account, &DEVICES]).await?;
    Ok(row.get(0))
}

/// The session that a token was issued for, locked until the transaction ends.
pub async fn find_session_of_token(tx: &mut Tx, digest: &[u8]) -> Result<Option<Session>, StoreError> {
    let sql = "select session_id, account_id, tokens_expire_at from sessions
         where session_id = (select session_id from refresh_tokens where digest = $1) for update";
    Ok(tx.query_opt(sql, &[&digest]).await?.map(read_session))
}

/// A token of a locked session.
pub async fn token_of(tx: &mut Tx, digest: &[u8], successor: &[u8]) -> Result<KnownToken, StoreError> {
    let row = tx
        .query_one(
            "select token.issued_at, token.replaced_at, newest.digest is not null
             from refresh_tokens token
             left join refresh_tokens newest on newest.digest = $2 and newest.replaced_at is null
             where token.digest = $1",
            &[&digest, &successor],
        )
        .await?;
    Ok(KnownToken { issued_at: row.get(0), replaced_at: row.get(1), successor_is_newest: row.get(2) })
}

/// Inserts the first token of a session.
pub async fn insert_token(tx: &mut Tx, session: Uuid, digest: &[u8], now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "insert into refresh_tokens (digest, session_id, issued_at) values ($1, $2, $3)";
    tx.execute(sql, &[&digest, &session, &now]).await.map(drop)
}

/// Replaces a token by its successor.
pub async fn replace_token(tx: &mut Tx, digest: &[u8], successor: &[u8], now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "with replaced as (update refresh_tokens set replaced_at = $3 where digest = $1 returning session_id)
         insert into refresh_tokens (digest, session_id, issued_at) select $2, session_id, $3 from replaced";
    tx.execute(sql, &[&digest, &successor, &now]).await.map(drop)
}

/// Records that new tokens were issued for a session.
pub async fn update_session(tx: &mut Tx, session: &Session, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "update sessions set refreshed_at = $2, tokens_expire_at = $3 where session_id = $1";
    tx.execute(sql, &[&session.id, &now, &session.tokens_expire_at]).await.map(drop)
}

/// Deletes a session of an account, and returns it if there was one.
pub async fn delete_session(tx: &mut Tx, account: Uuid, session: Uuid) -> Result<Option<Session>, StoreError> {
    let sql = "with ended as (delete from sessions where account_id = $1 and session_id = $2
             returning session_id, account_id, tokens_expire_at),
         noted as (insert into ended_sessions (session_id) select session_id from ended on conflict do nothing)
         select session_id, account_id, tokens_expire_at from ended";
    Ok(tx.query_opt(sql, &[&account, &session]).await?.map(read_session))
}

/// Deletes all sessions of an account but one, and returns them.
pub async fn delete_sessions(tx: &mut Tx, account: Uuid, but: Option<Uuid>) -> Result<Vec<Session>, StoreError> {
    let sql = "with ended as (delete from sessions where account_id = $1 and session_id is distinct from $2
             returning session_id, account_id, tokens_expire_at),
         noted as (insert into ended_sessions (session_id) select session_id from ended on conflict do nothing)
         select session_id, account_id, tokens_expire_at from ended";
    Ok(tx.query(sql, &[&account, &but]).await?.into_iter().map(read_session).collect())
}

/// Receipts of erasures that finished before `$1`, at most `$2` of them.
pub const OLD_RECEIPTS: &str = "delete from erasure_receipts where ctid = any(array(
    select ctid from erasure_receipts where finished_at < $1 limit $2))";

/// Sessions last used before `$1`.
pub const UNUSED_SESSIONS: &str = "delete from sessions where ctid = any(array(
    select ctid from sessions where refreshed_at < $1 limit $2))";

/// Notes on sessions that ended before `$1`.
pub const OLD_ENDED_SESSIONS: &str = "delete from ended_sessions where ctid = any(array(
    select ctid from ended_sessions where ended_at < $1 limit $2))";

/// Tokens replaced before `$1`.
pub const OLD_TOKENS: &str = "delete from refresh_tokens where ctid = any(array(
    select ctid from refresh_tokens where replaced_at < $1 limit $2))";

/// Failures whose window began before `$1`.
pub const OLD_FAILURES: &str = "delete from failed_sign_ins where ctid = any(array(
    select ctid from failed_sign_ins where since < $1 limit $2))";

/// The time before which finished receipts have expired.
pub fn receipts_kept_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - TimeDelta::days(RECEIPT_DAYS)
}

/// Deletes at most `limit` rows older than the given time, with one of the statements above.
pub async fn remove_older(store: &Postgres, sql: &str, than: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    store.execute(sql, &[&than, &limit]).await
}

fn read_account(row: Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.get(0),
        email: Email::parse(row.get(1)).map_err(StoreError::broken)?,
        name: Name::parse(row.get(2)).map_err(StoreError::broken)?,
        discoverable: row.get(3),
        nameable: row.get(4),
        created_at: row.get(5),
    })
}

fn read_session(row: Row) -> Session {
    Session { id: row.get(0), account_id: row.get(1), tokens_expire_at: row.get(2) }
}

fn read_failures(row: Row) -> Failures {
    Failures { count: row.get(0), since: row.get(1) }
}
