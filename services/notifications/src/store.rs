//! The queries of this service.

pub mod digests;

use chrono::{DateTime, Utc};
use skeleton::{Postgres, StoreError, store::postgres::Tx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::{Channels, Kind, Notification, Preferences};

/// The database migrations.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__notifications", include_str!("../migrations/V1__notifications.sql")),
    ("V2__order", include_str!("../migrations/V2__order.sql")),
    ("V6__digest", include_str!("../migrations/V6__digest.sql")),
    ("V14__expiry", include_str!("../migrations/V14__expiry.sql")),
];

/// The recipient of a notification.
pub enum Recipient {
    /// A member, with the address that mail goes to.
    Member(String),
    /// An erased account.
    Erased,
    /// An account that this service has no event of yet.
    Unknown,
}

/// A contact's name as this service knows it.
pub enum ContactName {
    /// Their name in the address book.
    Known(String),
    /// They are no longer in the address book.
    Removed,
    /// A contact that this service has no event of yet.
    Unknown,
}

/// A notification in a feed.
pub struct Listed {
    /// The notification.
    pub notification: Notification,
    /// Whether it has been read.
    pub read: bool,
}

/// Stores a member's address, unless the account is erased.
pub async fn put_recipient(tx: &mut Tx, account: Uuid, email: &str) -> Result<(), StoreError> {
    let sql = "insert into recipients as r (account_id, email) values ($1, $2)
         on conflict (account_id) do update set email = excluded.email where r.email is not null";
    tx.execute(sql, &[&account, &email]).await.map(drop)
}

/// The recipient that an account is. Its row is locked until the transaction ends.
pub async fn recipient(tx: &mut Tx, account: Uuid) -> Result<Recipient, StoreError> {
    let row = tx.query_opt("select email from recipients where account_id = $1 for share", &[&account]).await?;
    Ok(match row.map(|row| row.get(0)) {
        Some(Some(email)) => Recipient::Member(email),
        Some(None) => Recipient::Erased,
        None => Recipient::Unknown,
    })
}

/// Deletes everything of an account but its id. Returns the number of deleted records.
pub async fn erase(tx: &mut Tx, account: Uuid) -> Result<u64, StoreError> {
    let known = "update recipients set email = null where account_id = $1 and email is not null";
    let addresses = tx.execute(known, &[&account]).await?;
    let mark = "insert into recipients (account_id, email) values ($1, null)
         on conflict (account_id) do update set email = null";
    tx.execute(mark, &[&account]).await?;
    let digests = digests::erase(tx, account).await?;
    let notifications = tx.execute("delete from notifications where account_id = $1", &[&account]).await?;
    let preferences = tx.execute("delete from preferences where account_id = $1", &[&account]).await?;
    let names = tx.execute("delete from contact_names where owner_id = $1", &[&account]).await?;
    Ok(addresses + digests + notifications + preferences + names)
}

/// Stores a contact's name, or `None` once the contact is removed, unless the owner is erased.
pub async fn put_contact_name(tx: &mut Tx, contact: Uuid, owner: Uuid, name: Option<&str>) -> Result<(), StoreError> {
    let sql = "insert into contact_names (contact_id, owner_id, name)
         select $1, $2, $3 where not exists (select from recipients where account_id = $2 and email is null)
         on conflict (contact_id) do update set name = excluded.name";
    tx.execute(sql, &[&contact, &owner, &name]).await.map(drop)
}

/// The name of a contact in an owner's address book.
pub async fn contact_name(tx: &mut Tx, contact: Uuid, owner: Uuid) -> Result<ContactName, StoreError> {
    let sql = "select name from contact_names where contact_id = $1 and owner_id = $2
         union all select null from recipients where account_id = $2 and email is null limit 1";
    Ok(match tx.query_opt(sql, &[&contact, &owner]).await?.map(|row| row.get(0)) {
        Some(Some(name)) => ContactName::Known(name),
        Some(None) => ContactName::Removed,
        None => ContactName::Unknown,
    })
}

/// Inserts a notification. Returns whether there was none about the same thing.
pub async fn insert(tx: &mut Tx, notification: &Notification, about: Uuid, in_app: bool) -> Result<bool, StoreError> {
    let Notification { id, account_id, kind, title, body, created_at } = notification;
    let sql = "insert into notifications (notification_id, account_id, kind, about, title, body, in_app, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (account_id, kind, about) do nothing";
    let inserted = tx.execute(sql, &[id, account_id, &kind.as_str(), &about, title, body, &in_app, created_at]).await?;
    Ok(inserted > 0)
}

/// A notification, if it exists.
pub async fn find(tx: &mut Tx, notification: Uuid) -> Result<Option<Notification>, StoreError> {
    let sql = "select notification_id, account_id, kind, title, body, created_at from notifications where notification_id = $1";
    tx.query_opt(sql, &[&notification]).await?.as_ref().map(read_notification).transpose()
}

/// Whether a notification is in an account's feed.
pub async fn has(store: &Postgres, account: Uuid, notification: Uuid) -> Result<bool, StoreError> {
    let sql = "select 1 from notifications where notification_id = $1 and account_id = $2 and in_app";
    Ok(store.query_opt(sql, &[&notification, &account]).await?.is_some())
}

/// The notifications of an account's feed after the given one, newest first.
pub async fn list(store: &Postgres, account: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Listed>, StoreError> {
    let sql =
        "select notification_id, account_id, kind, title, body, created_at, read_at is not null from notifications
         where account_id = $1 and in_app
           and ($2::uuid is null or (created_at, notification_id) <
                (select created_at, notification_id from notifications where notification_id = $2))
         order by created_at desc, notification_id desc limit $3";
    let rows = store.query(sql, &[&account, &after, &limit]).await?;
    let read = |row: &Row| Ok(Listed { notification: read_notification(row)?, read: row.get(6) });
    rows.iter().map(read).collect()
}

/// The number of unread notifications in an account's feed.
pub async fn count_unread(store: &Postgres, account: Uuid) -> Result<u32, StoreError> {
    let sql = "select count(*) from notifications where account_id = $1 and in_app and read_at is null";
    let count: i64 = store.query_one(sql, &[&account]).await?.get(0);
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Marks a notification as read. Returns whether it is in the account's feed.
pub async fn mark_read(tx: &mut Tx, account: Uuid, notification: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let sql = "update notifications set read_at = coalesce(read_at, $3) where notification_id = $1 and account_id = $2 and in_app";
    Ok(tx.execute(sql, &[&notification, &account, &now]).await? > 0)
}

/// Deletes at most `limit` notifications created before the given time. Other replicas may delete others at the same
/// time.
pub async fn remove_older(store: &Postgres, than: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    let sql = "delete from notifications where notification_id = any(array(
        select notification_id from notifications where created_at < $1 order by created_at limit $2
        for update skip locked))";
    store.execute(sql, &[&than, &limit]).await
}

/// The preferences of an account.
pub async fn preferences_of(tx: &mut Tx, account: Uuid) -> Result<Preferences, StoreError> {
    read_preferences(&tx.query(PREFERENCES, &[&account]).await?)
}

/// The preferences of an account.
pub async fn find_preferences(store: &Postgres, account: Uuid) -> Result<Preferences, StoreError> {
    read_preferences(&store.query(PREFERENCES, &[&account]).await?)
}

const PREFERENCES: &str = "select kind, in_app, email from preferences where account_id = $1";

/// Stores an account's channels for a kind, unless the account is erased.
pub async fn put_preference(tx: &mut Tx, account: Uuid, kind: Kind, channels: Channels) -> Result<(), StoreError> {
    let sql = "insert into preferences (account_id, kind, in_app, email)
         select $1, $2, $3, $4 where not exists (select from recipients where account_id = $1 and email is null)
         on conflict (account_id, kind) do update set in_app = excluded.in_app, email = excluded.email";
    tx.execute(sql, &[&account, &kind.as_str(), &channels.in_app, &channels.email]).await.map(drop)
}

fn read_notification(row: &Row) -> Result<Notification, StoreError> {
    Ok(Notification {
        id: row.get(0),
        account_id: row.get(1),
        kind: read_kind(row.get(2))?,
        title: row.get(3),
        body: row.get(4),
        created_at: row.get(5),
    })
}

fn read_preferences(rows: &[Row]) -> Result<Preferences, StoreError> {
    let read = |row: &Row| Ok((read_kind(row.get(0))?, Channels { in_app: row.get(1), email: row.get(2) }));
    rows.iter().map(read).collect::<Result<Vec<_>, StoreError>>().map(Preferences)
}

fn read_kind(name: &str) -> Result<Kind, StoreError> {
    Kind::find(name).ok_or_else(|| StoreError::broken(format!("there is no kind {name}")))
}
