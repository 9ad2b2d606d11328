//! The ledger: what should be in every store after a trial, and what is.
//!
//! Lost: contacts that never came, that the network or the search does not have, or that the tally has not counted, imports
//! without a notification, numbers of a subject that were left out. Doubled: contacts or documents too many, contacts that
//! the network has linked more than once (its events count up by contact), events that the tally has counted twice. Out of
//! order: events that the tally has handled after a later one of their subject.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{database::connect, tally::TALLY};
use crate::native;

/// How long nothing more may come before what is missing is called lost.
const STANDSTILL: Duration = Duration::from_secs(150);

/// What has flowed.
#[derive(Clone, Copy, Default)]
pub struct Expected {
    /// New contacts.
    pub contacts: usize,
    /// Files that were imported.
    pub imports: usize,
    /// Changes of contacts.
    pub changes: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// Events of new contacts that were sent.
    pub events: usize,
    /// Effects that are missing.
    pub lost: i64,
    /// Effects that are there more than once.
    pub doubled: i64,
    /// Events that were handled after a later one of their subject.
    pub out_of_order: i64,
    /// How long it took after the trouble until all effects were there.
    pub seconds_to_settle: u64,
}

impl Ledger {
    /// Whether every effect is there once, and in order.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.doubled, self.out_of_order) == (0, 0, 0)
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            out_of_order: self.out_of_order + other.out_of_order,
            seconds_to_settle: self.seconds_to_settle.max(other.seconds_to_settle),
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, lost, doubled, out_of_order, .. } = self;
        write!(to, "{events} events, {lost} lost, {doubled} doubled, {out_of_order} out of order")
    }
}

/// Waits until every effect of these accounts is there, or nothing more has come for a while, and counts.
pub async fn settled(accounts: &[Uuid], expected: Expected) -> Result<Ledger> {
    let (began, mut moved, mut told) = (Instant::now(), Instant::now(), Instant::now());
    let mut fewest = i64::MAX;
    loop {
        // A store that is only just back may not answer yet.
        let counted = count(accounts, expected).await;
        let is_over = moved.elapsed() > STANDSTILL;
        match counted {
            Ok(ledger) if ledger.lost <= 0 || is_over => {
                return Ok(Ledger { seconds_to_settle: began.elapsed().as_secs(), ..ledger });
            }
            Err(error) if is_over => return Err(error),
            Ok(ledger) if ledger.lost < fewest => {
                fewest = ledger.lost;
                moved = Instant::now();
            }
            _ => {}
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!("settling: {fewest} effects are still missing");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Whether the tally has heard of a contact, and of the network's answer to it.
pub async fn has_come_through(contact: Uuid) -> Result<bool> {
    let sql = "select count(distinct name) = 2 from counted where subject = $1 and name in ('added', 'linked')";
    Ok(connect(TALLY).await?.query_one(sql, &[&contact.to_string()]).await?.get(0))
}

async fn count(accounts: &[Uuid], expected: Expected) -> Result<Ledger> {
    let events = i64::try_from(expected.contacts)?;
    let imports = i64::try_from(expected.imports)?;
    let contacts = ask_postgres(
        "contacts",
        "select count(*), count(*) filter (where last is null), count(*) filter (where last > 1)
         from contacts left join skeleton.lines on line = 'network ' || contact_id where owner_id = any($1)",
        accounts,
    )
    .await?;
    let [here, unlinked, linked_twice] = numbers(&contacts);
    let notices = ask_postgres(
        "notifications",
        "select count(distinct about), count(*) from notifications where kind = 'import-finished' and account_id = any($1)",
        accounts,
    )
    .await?;
    let [told, notifications] = numbers(&notices);
    let found = search_count(accounts).await?;
    let seen = Tallied::read(TALLY, accounts).await?;
    Ok(Ledger {
        events: expected.contacts,
        lost: (events - here).max(0)
            + unlinked
            + (events - found).max(0)
            + (imports - told).max(0)
            + seen.lost(expected)?,
        doubled: (here - events).max(0)
            + linked_twice
            + (found - events).max(0)
            + (notifications - told)
            + seen.doubled,
        out_of_order: seen.out_of_order,
        seconds_to_settle: 0,
    })
}

/// What a tally has seen of some accounts.
#[derive(Clone, Copy, Debug)]
pub struct Tallied {
    added: i64,
    linked: i64,
    changed: i64,
    ended: i64,
    /// Different events of contacts and imports.
    pub different: i64,
    /// Rows beyond one for each event.
    pub doubled: i64,
    /// Numbers below a subject's last that are not there.
    pub left_out: i64,
    /// Events that were handled after a later one of their subject.
    pub out_of_order: i64,
}

impl Tallied {
    /// Reads the tally's database: a row for each event it has handled, in the order in which it has.
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

    fn lost(&self, expected: Expected) -> Result<i64> {
        let missing = |expected: usize, seen: i64| Ok::<_, anyhow::Error>((i64::try_from(expected)? - seen).max(0));
        Ok(missing(expected.contacts, self.added)?
            + missing(expected.contacts, self.linked)?
            + missing(expected.changes, self.changed)?
            + missing(expected.imports, self.ended)?
            + self.left_out)
    }
}

fn numbers<const N: usize>(row: &Row) -> [i64; N] {
    std::array::from_fn(|column| row.get(column))
}

async fn ask_postgres(database: &str, sql: &str, accounts: &[Uuid]) -> Result<Row> {
    Ok(connect(database).await?.query_one(sql, &[&accounts]).await?)
}

async fn search_count(accounts: &[Uuid]) -> Result<i64> {
    let url = native::setting("KITH_ELASTICSEARCH_URL")?;
    let client = reqwest::Client::new();
    client.post(format!("{url}/search-contacts/_refresh")).send().await?.error_for_status()?;
    let query = serde_json::json!({ "query": { "terms": { "owner_id": accounts } } });
    let answer = client.post(format!("{url}/search-contacts/_count")).json(&query).send().await?.error_for_status()?;
    let answer: serde_json::Value = answer.json().await?;
    match answer["count"].as_i64() {
        Some(count) => Ok(count),
        None => bail!("the search counted nothing"),
    }
}
