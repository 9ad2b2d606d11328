//! The queries of the digest.

use chrono::{DateTime, Utc};
use skeleton::{Postgres, StoreError, store::postgres::Tx};
use uuid::Uuid;

/// An account's unread notifications.
pub struct Unread {
    /// The newest titles.
    pub titles: Vec<String>,
    /// The number of all unread notifications.
    pub count: i64,
}

/// Claims the next members, ordered by id, who want the digest and have something unread that is old enough. Returns
/// each with whether this call claimed it: false if the member was claimed before, for this digest or a later one.
pub async fn take_next(
    tx: &mut Tx,
    due_at: DateTime<Utc>,
    unread_since: DateTime<Utc>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(Uuid, bool)>, StoreError> {
    let sql = "with next as (
            select n.account_id from notifications n join recipients r using (account_id)
            where n.in_app and n.read_at is null and n.created_at < $2 and r.email is not null
              and ($3::uuid is null or n.account_id > $3)
              and not exists (select from digest_choices c where c.account_id = n.account_id and not c.wanted)
            group by n.account_id order by n.account_id limit $4
        ), taken as (
            insert into digests as d (account_id, due_at) select account_id, $1 from next
            on conflict (account_id) do update set due_at = excluded.due_at where d.due_at < excluded.due_at
            returning account_id
        )
        select account_id, exists (select from taken where taken.account_id = next.account_id) from next order by account_id";
    let rows = tx.query(sql, &[&due_at, &unread_since, &after, &limit]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// An account's unread notifications, with the newest titles first.
pub async fn unread_of(tx: &mut Tx, account: Uuid, named: i64) -> Result<Unread, StoreError> {
    let sql = "select title, count(*) over () from notifications
         where account_id = $1 and in_app and read_at is null order by created_at desc, notification_id desc limit $2";
    let rows = tx.query(sql, &[&account, &named]).await?;
    let count = rows.first().map_or(0, |row| row.get(1));
    Ok(Unread { titles: rows.iter().map(|row| row.get(0)).collect(), count })
}

const CHOICE: &str = "select wanted from digest_choices where account_id = $1";

/// Whether an account wants the digest.
pub async fn is_wanted(tx: &mut Tx, account: Uuid) -> Result<bool, StoreError> {
    Ok(tx.query_opt(CHOICE, &[&account]).await?.is_none_or(|row| row.get(0)))
}

/// Whether an account wants the digest.
pub async fn find_choice(store: &Postgres, account: Uuid) -> Result<bool, StoreError> {
    Ok(store.query_opt(CHOICE, &[&account]).await?.is_none_or(|row| row.get(0)))
}

/// Stores whether an account wants the digest, unless the account is erased.
pub async fn put_choice(tx: &mut Tx, account: Uuid, wanted: bool) -> Result<(), StoreError> {
    let sql = "insert into digest_choices (account_id, wanted)
         select $1, $2 where not exists (select from recipients where account_id = $1 and email is null)
         on conflict (account_id) do update set wanted = excluded.wanted";
    tx.execute(sql, &[&account, &wanted]).await.map(drop)
}

/// Deletes everything of an account. Returns the number of deleted records.
pub async fn erase(tx: &mut Tx, account: Uuid) -> Result<u64, StoreError> {
    let choices = tx.execute("delete from digest_choices where account_id = $1", &[&account]).await?;
    Ok(choices + tx.execute("delete from digests where account_id = $1", &[&account]).await?)
}
