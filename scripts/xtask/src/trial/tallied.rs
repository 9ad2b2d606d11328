//! What a tally has recorded.

use anyhow::Result;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{database::connect, ledger::Expected};

/// What a tally has recorded for some accounts.
#[derive(Clone, Copy, Debug)]
pub struct Tallied {
    added: i64,
    linked: i64,
    changed: i64,
    ended: i64,
    /// Different events of contacts and imports.
    pub different: i64,
    /// Rows beyond one per event.
    pub doubled: i64,
    /// Sequences below a subject's last that are missing.
    pub left_out: i64,
    /// Events handled after a later one of their subject.
    pub out_of_order: i64,
}

impl Tallied {
    /// Reads the tally's database: one row per handled event, in the order of handling.
    pub async fn read(database: &str, accounts: &[Uuid]) -> Result<Self> {
        let counted = ask_postgres(
            database,
            "select count(distinct subject) filter (where name = 'added'), count(distinct subject) filter (where name = 'linked'),
                count(distinct (subject, number)) filter (where name = 'changed'),
                count(distinct subject) filter (where name = 'import ended'),
                count(distinct (subject, number)) filter (where name <> 'linked'),
                count(*) - count(distinct (name, subject, number)) from counted where owner_id = any($1)",
            accounts,
        )
        .await?;
        let ordered = ask_postgres(
            database,
            "select coalesce(sum(last - different), 0)::int8, coalesce(sum(fell), 0)::int8 from (
                select max(number) as last, count(distinct number) as different, count(*) filter (where number < before) as fell
                from (select subject, number, max(number) over
                        (partition by subject order by place rows between unbounded preceding and 1 preceding) as before
                      from counted where name <> 'linked' and owner_id = any($1)) as seen
                group by subject) as subjects",
            accounts,
        )
        .await?;
        let [added, linked, changed, ended, different, doubled] = numbers(&counted);
        let [left_out, out_of_order] = numbers(&ordered);
        Ok(Self { added, linked, changed, ended, different, doubled, left_out, out_of_order })
    }

    /// How many effects are missing.
    pub fn lost(&self, expected: Expected) -> Result<i64> {
        let missing = |expected: usize, seen: i64| Ok::<_, anyhow::Error>((i64::try_from(expected)? - seen).max(0));
        Ok(missing(expected.contacts, self.added)?
            + missing(expected.contacts, self.linked)?
            + missing(expected.changes, self.changed)?
            + missing(expected.imports, self.ended)?
            + self.left_out)
    }
}

/// The numbers in a row.
pub fn numbers<const N: usize>(row: &Row) -> [i64; N] {
    std::array::from_fn(|column| row.get(column))
}

/// Queries a database about some accounts.
pub async fn ask_postgres(database: &str, sql: &str, accounts: &[Uuid]) -> Result<Row> {
    Ok(connect(database).await?.query_one(sql, &[&accounts]).await?)
}
