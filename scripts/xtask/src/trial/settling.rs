//! Waits until every effect exists, and counts what is in all stores.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use uuid::Uuid;

use super::{
    database::connect,
    ledger::{Expected, Ledger},
    tallied::{Tallied, ask_postgres, numbers},
    tally::TALLY,
};
use crate::native;

/// How long no new effect may appear before missing ones count as lost.
const STANDSTILL: Duration = Duration::from_secs(150);

/// Waits until every effect of these accounts exists, or no more appear for a while, and counts.
pub async fn settled(accounts: &[Uuid], expected: Expected) -> Result<Ledger> {
    let (began, mut moved, mut told) = (Instant::now(), Instant::now(), Instant::now());
    let mut fewest = i64::MAX;
    loop {
        // A store that has just restarted may not respond yet.
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

/// Whether the tally has received the event of a contact, and the network's event about it.
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

async fn search_count(accounts: &[Uuid]) -> Result<i64> {
    let url = native::setting("KITH_ELASTICSEARCH_URL")?;
    let client = reqwest::Client::new();
    client.post(format!("{url}/search-contacts/_refresh")).send().await?.error_for_status()?;
    let query = serde_json::json!({ "query": { "terms": { "owner_id": accounts } } });
    let answer = client.post(format!("{url}/search-contacts/_count")).json(&query).send().await?.error_for_status()?;
    let answer: serde_json::Value = answer.json().await?;
    match answer["count"].as_i64() {
        Some(count) => Ok(count),
        None => bail!("the search returned no count"),
    }
}
