//! The queries of contacts.

pub mod expiry;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use skeleton::{
    Postgres, StoreError,
    rebuild::{Slice, SnapshotPage, Sum},
    store::postgres::Tx,
};
use tokio_postgres::{Row, types::Json};
use uuid::Uuid;

use crate::domain::{
    Contact, Import, Planned, Status,
    files::{Card, Problem},
};

/// The database migrations.
pub const MIGRATIONS: &[(&str, &str)] = &[
    ("V1__contacts", include_str!("../migrations/V1__contacts.sql")),
    ("V2__order", include_str!("../migrations/V2__order.sql")),
    ("V6__cancelled_imports", include_str!("../migrations/V6__cancelled_imports.sql")),
    ("V14__expiry", include_str!("../migrations/V14__expiry.sql")),
];

/// The most problems that are stored and shown per import.
const MAX_PROBLEMS: usize = 1000;

/// The contacts of an address book with these keys, locked until the transaction ends.
pub async fn contacts_by_key(tx: &mut Tx, owner: Uuid, keys: &[&str]) -> Result<HashMap<String, Contact>, StoreError> {
    let sql = "select contact_id, owner_id, source_key, person_id, card, imported, created_at, changed_at
        from contacts where owner_id = $1 and source_key = any($2) order by contact_id for update";
    let rows = tx.query(sql, &[&owner, &keys]).await?;
    Ok(rows.iter().map(contact).map(|contact| (contact.source_key.clone(), contact)).collect())
}

/// A contact of an account, locked until the transaction ends.
pub async fn find_contact_to_change(tx: &mut Tx, owner: Uuid, id: Uuid) -> Result<Option<Contact>, StoreError> {
    let sql = "select contact_id, owner_id, source_key, person_id, card, imported, created_at, changed_at
        from contacts where owner_id = $1 and contact_id = $2 for update";
    Ok(tx.query_opt(sql, &[&owner, &id]).await?.as_ref().map(contact))
}

/// A contact of an account.
pub async fn find_contact(store: &Postgres, owner: Uuid, id: Uuid) -> Result<Option<Contact>, StoreError> {
    let sql = "select contact_id, owner_id, source_key, person_id, card, imported, created_at, changed_at
        from contacts where owner_id = $1 and contact_id = $2";
    Ok(store.query_opt(sql, &[&owner, &id]).await?.as_ref().map(contact))
}

/// The contacts of an account by name, after the given position.
pub async fn page(
    store: &Postgres,
    owner: Uuid,
    after: &(String, Uuid),
    limit: i64,
) -> Result<Vec<Contact>, StoreError> {
    let sql = "select contact_id, owner_id, source_key, person_id, card, imported, created_at, changed_at
        from contacts where owner_id = $1 and (sort_key, contact_id) > ($2, $3) order by sort_key, contact_id limit $4";
    let (name, id) = after;
    Ok(store.query(sql, &[&owner, name, id, &limit]).await?.iter().map(contact).collect())
}

/// The contacts of a slice after the given one, ordered by id, each with the sequence of its newest event.
pub async fn snapshots(store: &Postgres, page: &SnapshotPage) -> Result<Vec<(Contact, i64)>, StoreError> {
    let SnapshotPage { within, after, limit } = page;
    let sql = "select contact_id, owner_id, source_key, person_id, card, imported, created_at, changed_at,
            skeleton.sequence_of(contact_id)
        from contacts where contact_id between $1 and $2 and ($3::uuid is null or contact_id > $3)
        order by contact_id limit $4";
    let rows = store.query(sql, &[&within.first(), &within.last(), after, limit]).await?;
    Ok(rows.iter().map(|row| (contact(row), row.get(8))).collect())
}

/// The number of contacts in a slice, and their checksum.
pub async fn sum(store: &Postgres, slice: &Slice) -> Result<Sum, StoreError> {
    let sql = "select skeleton.checksum(coalesce(bit_xor(skeleton.mark_of(contact_id)), 0::bit(64))), count(*)
        from contacts where contact_id between $1 and $2";
    let row = store.query_one(sql, &[&slice.first(), &slice.last()]).await?;
    Ok(Sum { count: row.get(1), checksum: row.get(0) })
}

/// The key that contacts are sorted by.
pub fn sort_key(contact: &Contact) -> String {
    contact.card.name.to_lowercase()
}

/// Inserts contacts, unless the owner has one with the same key meanwhile. Returns their number.
pub async fn insert_all(tx: &mut Tx, contacts: &[Contact]) -> Result<u64, StoreError> {
    if contacts.is_empty() {
        return Ok(0);
    }
    let sql =
        "insert into contacts (contact_id, owner_id, source_key, card, imported, sort_key, created_at, changed_at)
        select id, $2, key, card, imported, sort, $7, $7
        from unnest($1::uuid[], $3::text[], $4::jsonb[], $5::jsonb[], $6::text[]) as c (id, key, card, imported, sort)
        on conflict (owner_id, source_key) do nothing";
    let Columns { ids, cards, imported, sort_keys } = Columns::of(contacts);
    let keys: Vec<&str> = contacts.iter().map(|contact| contact.source_key.as_str()).collect();
    let (owner, at) = (contacts[0].owner_id, contacts[0].created_at);
    tx.execute(sql, &[&ids, &owner, &keys, &cards, &imported, &sort_keys, &at]).await
}

/// Updates contacts.
pub async fn update_all(tx: &mut Tx, contacts: &[Contact]) -> Result<(), StoreError> {
    if contacts.is_empty() {
        return Ok(());
    }
    let sql = "update contacts as c set card = n.card, imported = n.imported, sort_key = n.sort, changed_at = $5
        from unnest($1::uuid[], $2::jsonb[], $3::jsonb[], $4::text[]) as n (id, card, imported, sort)
        where c.contact_id = n.id";
    let Columns { ids, cards, imported, sort_keys } = Columns::of(contacts);
    tx.execute(sql, &[&ids, &cards, &imported, &sort_keys, &contacts[0].changed_at]).await.map(drop)
}

/// Contacts as one array per column.
struct Columns<'a> {
    ids: Vec<Uuid>,
    cards: Vec<Json<&'a Card>>,
    imported: Vec<Option<Json<&'a Card>>>,
    sort_keys: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(contacts: &'a [Contact]) -> Self {
        Self {
            ids: contacts.iter().map(|contact| contact.id).collect(),
            cards: contacts.iter().map(|contact| Json(&contact.card)).collect(),
            imported: contacts.iter().map(|contact| contact.imported.as_ref().map(Json)).collect(),
            sort_keys: contacts.iter().map(sort_key).collect(),
        }
    }
}

/// Deletes a contact.
pub async fn delete_contact(tx: &mut Tx, id: Uuid) -> Result<(), StoreError> {
    tx.execute("delete from contacts where contact_id = $1", &[&id]).await.map(drop)
}

/// Stores which person a contact is.
pub async fn link(tx: &mut Tx, contact: Uuid, person: Uuid) -> Result<(), StoreError> {
    tx.execute("update contacts set person_id = $2 where contact_id = $1", &[&contact, &person]).await.map(drop)
}

/// Deletes everything of an account, and records that it is erased. Returns the number of deleted records.
pub async fn erase(tx: &mut Tx, account: Uuid, at: DateTime<Utc>) -> Result<u64, StoreError> {
    // Waits for transactions that are adding something for the account, so that the statements below see it.
    tx.execute_later("select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 0))", &[&account]).await?;
    let sql = "insert into erased_accounts (account_id, erased_at) values ($1, $2) on conflict do nothing";
    tx.execute(sql, &[&account, &at]).await?;
    let imports = tx.execute("delete from imports where account_id = $1", &[&account]).await?;
    Ok(imports + tx.execute("delete from contacts where owner_id = $1", &[&account]).await?)
}

/// Whether an account is erased. If not, it cannot be erased until the transaction ends.
pub async fn is_erased(tx: &mut Tx, account: Uuid) -> Result<bool, StoreError> {
    tx.execute_later("select pg_advisory_xact_lock_shared(hashtextextended($1::uuid::text, 0))", &[&account]).await?;
    let row = tx.query_opt("select 1 from erased_accounts where account_id = $1", &[&account]).await?;
    Ok(row.is_some())
}

/// The number of an account's unfinished imports. Deletes uploads that are incomplete after an hour.
pub async fn unfinished_imports(tx: &mut Tx, account: Uuid, now: DateTime<Utc>) -> Result<i64, StoreError> {
    let stale = "delete from imports where account_id = $1 and status = 'uploading' and created_at < $2";
    tx.execute(stale, &[&account, &(now - chrono::Duration::hours(1))]).await?;
    let sql = "select count(*) from imports where account_id = $1 and status in ('uploading', 'queued', 'running')";
    Ok(tx.query_one(sql, &[&account]).await?.get(0))
}

/// Inserts an import.
pub async fn insert_import(tx: &mut Tx, import: &Import) -> Result<(), StoreError> {
    let sql = "insert into imports (import_id, account_id, file_name, status, created_at) values ($1, $2, $3, $4, $5)";
    tx.execute(sql, &[&import.id, &import.account_id, &import.file_name, &word(import.status), &import.created_at])
        .await
        .map(drop)
}

/// An import, locked until the transaction ends.
pub async fn find_import(tx: &mut Tx, id: Uuid) -> Result<Option<Import>, StoreError> {
    let sql = "select import_id, account_id, file_name, format, status, total, added, changed, unchanged, failed, error, created_at
        from imports where import_id = $1 for update";
    Ok(tx.query_opt(sql, &[&id]).await?.as_ref().map(import))
}

/// An import with its problems.
pub async fn import_with_problems(store: &Postgres, id: Uuid) -> Result<Option<(Import, Vec<Problem>)>, StoreError> {
    let sql = "select import_id, account_id, file_name, format, status, total, added, changed, unchanged, failed, error, created_at
        from imports where import_id = $1";
    let Some(found) = store.query_opt(sql, &[&id]).await? else { return Ok(None) };
    let problems = "select line, reason from import_problems where import_id = $1 order by position";
    let problems = store.query(problems, &[&id]).await?;
    Ok(Some((import(&found), problems.iter().map(problem).collect())))
}

/// Updates an import.
pub async fn update_import(tx: &mut Tx, import: &Import) -> Result<(), StoreError> {
    let sql = "update imports set format = $2, status = $3, total = $4, added = $5, changed = $6, unchanged = $7, failed = $8, error = $9
        where import_id = $1";
    let counts = [import.total, import.added, import.changed, import.unchanged, import.failed].map(i64::from);
    let [total, added, changed, unchanged, failed] = &counts;
    let status = word(import.status);
    tx.execute(sql, &[&import.id, &import.format, &status, total, added, changed, unchanged, failed, &import.error])
        .await
        .map(drop)
}

/// Inserts a part of a file; a repeat changes nothing.
pub async fn insert_part(tx: &mut Tx, import: Uuid, index: u32, data: &[u8]) -> Result<(), StoreError> {
    let sql = "insert into import_parts (import_id, index, data) values ($1, $2, $3) on conflict do nothing";
    tx.execute(sql, &[&import, &i64::from(index), &data]).await.map(drop)
}

/// The number of a file's stored parts.
pub async fn count_parts(tx: &mut Tx, import: Uuid) -> Result<i64, StoreError> {
    Ok(tx.query_one("select count(*) from import_parts where import_id = $1", &[&import]).await?.get(0))
}

/// The complete file.
pub async fn file_of(tx: &mut Tx, import: Uuid) -> Result<Vec<u8>, StoreError> {
    let rows = tx.query("select data from import_parts where import_id = $1 order by index", &[&import]).await?;
    Ok(rows.iter().map(|row| row.get::<_, &[u8]>(0)).collect::<Vec<_>>().concat())
}

/// Deletes the file itself.
pub async fn forget_file(tx: &mut Tx, import: Uuid) -> Result<(), StoreError> {
    tx.execute("delete from import_parts where import_id = $1", &[&import]).await.map(drop)
}

/// Deletes the cards that are not imported yet.
pub async fn forget_entries(tx: &mut Tx, import: Uuid) -> Result<(), StoreError> {
    tx.execute("delete from import_entries where import_id = $1", &[&import]).await.map(drop)
}

/// Stores the cards of a file, to be imported in batches.
pub async fn lay_out(tx: &mut Tx, import: Uuid, planned: &Planned) -> Result<(), StoreError> {
    let sql = "insert into import_entries (import_id, position, source_key, card)
        select $1, n, key, card from unnest($2::text[], $3::jsonb[]) with ordinality as c (key, card, n)";
    let keys: Vec<&str> = planned.cards.iter().map(|(key, _)| key.as_str()).collect();
    let cards: Vec<Json<&Card>> = planned.cards.iter().map(|(_, card)| Json(card)).collect();
    tx.execute(sql, &[&import, &keys, &cards]).await?;
    let sql = "insert into import_problems (import_id, position, line, reason)
        select $1, n, line, reason from unnest($2::bigint[], $3::text[]) with ordinality as p (line, reason, n)";
    let shown = &planned.problems[..planned.problems.len().min(MAX_PROBLEMS)];
    let lines: Vec<i64> = shown.iter().map(|problem| problem.line.into()).collect();
    let reasons: Vec<&str> = shown.iter().map(|problem| problem.reason.as_str()).collect();
    tx.execute(sql, &[&import, &lines, &reasons]).await.map(drop)
}

/// Removes the next cards of a file from the stored ones, and returns them.
pub async fn take_entries(tx: &mut Tx, import: Uuid, limit: u32) -> Result<Vec<(String, Card)>, StoreError> {
    let sql = "with next as (select position from import_entries where import_id = $1 order by position limit $2),
            taken as (delete from import_entries where import_id = $1 and position in (select position from next)
                returning position, source_key, card)
        select source_key, card from taken order by position";
    let rows = tx.query(sql, &[&import, &i64::from(limit)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get::<_, Json<Card>>(1).0)).collect())
}

fn contact(row: &Row) -> Contact {
    Contact {
        id: row.get(0),
        owner_id: row.get(1),
        source_key: row.get(2),
        person_id: row.get(3),
        card: row.get::<_, Json<Card>>(4).0,
        imported: row.get::<_, Option<Json<Card>>>(5).map(|card| card.0),
        created_at: row.get(6),
        changed_at: row.get(7),
    }
}

fn import(row: &Row) -> Import {
    let number = |index: usize| u32::try_from(row.get::<_, i64>(index)).unwrap_or(u32::MAX);
    Import {
        id: row.get(0),
        account_id: row.get(1),
        file_name: row.get(2),
        format: row.get(3),
        status: status(row.get(4)),
        total: number(5),
        added: number(6),
        changed: number(7),
        unchanged: number(8),
        failed: number(9),
        error: row.get(10),
        created_at: row.get(11),
    }
}

fn problem(row: &Row) -> Problem {
    Problem { line: u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX), reason: row.get(1) }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Uploading => "uploading",
        Status::Queued => "queued",
        Status::Running => "running",
        Status::Finished => "finished",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    }
}

/// The status stored in the database, whose constraint allows no other value.
fn status(word: &str) -> Status {
    match word {
        "queued" => Status::Queued,
        "running" => Status::Running,
        "finished" => Status::Finished,
        "failed" => Status::Failed,
        "cancelled" => Status::Cancelled,
        _ => Status::Uploading,
    }
}
