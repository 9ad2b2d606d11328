//! The queries of this service.

use chrono::{DateTime, Utc};
use skeleton::{Postgres, StoreError, store::postgres::Tx};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::Parcel;

/// The database migrations.
pub const MIGRATIONS: &[(&str, &str)] = &[("V1__depot", include_str!("../migrations/V1__depot.sql"))];

/// Adds a parcel. Returns false if there is one with this id.
pub async fn insert(tx: &mut Tx, parcel: &Parcel) -> Result<bool, StoreError> {
    let Parcel { id, owner_id, label, added_at } = parcel;
    let sql = "insert into parcels (parcel_id, owner_id, label, added_at) values ($1, $2, $3, $4)
         on conflict (parcel_id) do nothing";
    Ok(tx.execute(sql, &[id, owner_id, label, added_at]).await? > 0)
}

/// A parcel of an account.
pub async fn find(store: &Postgres, owner: Uuid, parcel: Uuid) -> Result<Option<Parcel>, StoreError> {
    let sql = "select parcel_id, owner_id, label, added_at from parcels where parcel_id = $1 and owner_id = $2";
    Ok(store.query_opt(sql, &[&parcel, &owner]).await?.as_ref().map(read))
}

/// Deletes at most `limit` parcels that were added before the given time, and returns them.
pub async fn remove_older(tx: &mut Tx, than: DateTime<Utc>, limit: i64) -> Result<Vec<Parcel>, StoreError> {
    let sql = "delete from parcels where parcel_id = any(array(
            select parcel_id from parcels where added_at < $1 order by added_at, parcel_id limit $2 for update))
         returning parcel_id, owner_id, label, added_at";
    Ok(tx.query(sql, &[&than, &limit]).await?.iter().map(read).collect())
}

/// Deletes everything of an account but its id. Returns the number of deleted parcels.
pub async fn erase(tx: &mut Tx, owner: Uuid) -> Result<u64, StoreError> {
    // Waits for transactions that are adding something for the account, so that the statements below see it.
    tx.execute_later("select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))", &[&owner]).await?;
    tx.execute("insert into erased_owners (owner_id) values ($1) on conflict do nothing", &[&owner]).await?;
    tx.execute("delete from parcels where owner_id = $1", &[&owner]).await
}

/// Whether an account is erased. If not, it cannot be erased until the transaction ends.
pub async fn is_erased(tx: &mut Tx, owner: Uuid) -> Result<bool, StoreError> {
    tx.execute_later("select pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text, 0))", &[&owner]).await?;
    Ok(tx.query_opt("select 1 from erased_owners where owner_id = $1", &[&owner]).await?.is_some())
}

fn read(row: &Row) -> Parcel {
    Parcel { id: row.get(0), owner_id: row.get(1), label: row.get(2), added_at: row.get(3) }
}
