//! Inbox, handler and outbox in Postgres: a service of the skeleton beside one written by hand, each in its own process
//! on one thread.

use std::time::Duration;

use accounts_events::Registered;
use anyhow::{Context, Result, ensure};
use events::Message;
use skeleton::{
    Postgres,
    testing::{TestStore, World, broker_password},
};
use tokio_postgres::{Client, NoTls};

use super::{
    Size,
    bare::{self, Sample},
    by_hand::{self, QUEUE},
    process::Process,
    program::{Kind, settings_by_hand, settings_of},
    report::{Aim, Finding, Report},
};
use crate::usage::Usage;

/// How long processing a backlog may take.
const LIMIT: Duration = Duration::from_secs(100);

/// How messages share transactions.
#[derive(Clone, Copy, PartialEq)]
pub enum Coming {
    /// All available messages share a transaction.
    InBatches,
    /// Each message has its own transaction.
    Singly,
}

/// Measures a backlog, with up to 64 messages per transaction.
pub async fn measure_backlog(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(3, 1), size.choose(20_000, 1000));
    let row = |what, aim| finding("consume", what, aim);
    let findings = [
        (
            Kind::CountWaiting,
            row("a backlog, 64 per transaction, the handler awaits its statement", Aim::RatioAtLeast(0.6)),
        ),
        (Kind::CountLater, row("the same, the statement is sent with the commit", Aim::RatioAtLeast(0.6))),
        (Kind::CountRelaying, row("the same while the relay publishes the results", Aim::None)),
    ];
    report.findings.extend(compare(findings, Coming::InBatches, rounds, count).await?);
    Ok(())
}

/// Messages per second that a service consumes from a backlog, with statements sent with the commit.
pub async fn rate_of_backlog(count: usize) -> Result<f64> {
    by_service(&bare::samples(count), Coming::InBatches, Kind::CountLater).await.map(|(rate, _)| rate)
}

/// Measures one message per transaction.
pub async fn measure_singly(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(7, 1), size.choose(2000, 300));
    let row = |what, aim| finding("consume-single", what, aim);
    let findings = [
        (
            Kind::CountWaiting,
            row("one message per transaction, the handler awaits its statement", Aim::RatioAtLeast(0.8)),
        ),
        (Kind::CountLater, row("the same, the statement is sent with the commit", Aim::RatioAtLeast(0.8))),
    ];
    report.findings.extend(compare(findings, Coming::Singly, rounds, count).await?);
    Ok(())
}

fn finding(row: &'static str, what: &str, aim: Aim) -> Finding {
    Finding::new(row, what, "messages/s", aim)
}

/// Each round runs the handwritten program, then each variant once, with the same messages.
async fn compare<const N: usize>(
    mut findings: [(Kind, Finding); N],
    coming: Coming,
    rounds: usize,
    count: usize,
) -> Result<Vec<Finding>> {
    for _ in 0..rounds {
        let samples = bare::samples(count);
        let (baseline, baseline_usage) = by_hand(&samples, coming).await?;
        for (kind, finding) in &mut findings {
            let (ours, usage) = by_service(&samples, coming, *kind).await?;
            finding.add(ours, baseline);
            finding.add_usage(usage, Some(baseline_usage));
        }
    }
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// Has the skeleton's service process a backlog. Returns messages per second, and the resources used, start included.
pub async fn by_service(samples: &[Sample], coming: Coming, kind: Kind) -> Result<(f64, Usage)> {
    let service = kind.service().context("this program is not a service")?;
    let world = World::new().await;
    world.admin().apply(&service.topology_spec(1).topology(), &broker_password(service.name())).await?;
    let connection = bare::connect(&world).await?;
    bare::seed(&connection, "events.accounts", Registered::KEY, samples).await?;
    let database = Postgres::provision(&format!("{}-bench", bare::vhost(&world))).await;
    let mut settings = settings_of(&world, service.name(), &database.settings);
    let batch = if coming == Coming::Singly { "1" } else { "64" };
    settings.push(("CONTACTS__BROKER__BATCH".to_owned(), batch.to_owned()));
    let client = open(&postgres_of(&database.settings)?).await?;
    let mut process = Process::start(kind, &settings)?;
    process.until("every message is in the inbox", LIMIT, || is_taken_in(&client, "skeleton", samples.len())).await?;
    let usage = process.usage()?.since(Usage::default(), samples.len());
    if kind == Kind::CountRelaying {
        process.until("the outbox is empty", LIMIT, || is_empty(&client, "skeleton.outbox")).await?;
    }
    process.stop().await?;
    let found = Found::from(&client.query_one(&found_in("skeleton"), &[]).await?);
    connection.close(200, "bye".into()).await?;
    Postgres::remove(database).await;
    world.remove().await;
    Ok((found.rate(samples.len(), if kind == Kind::CountRelaying { 0 } else { samples.len() })?, usage))
}

async fn by_hand(samples: &[Sample], coming: Coming) -> Result<(f64, Usage)> {
    let world = World::new().await;
    let connection = bare::connect(&world).await?;
    bare::quorum_queue(&connection.create_channel().await?, QUEUE).await?;
    bare::seed(&connection, "", QUEUE, samples).await?;
    let database = Postgres::provision(&format!("{}-by-hand", bare::vhost(&world))).await;
    let postgres = postgres_of(&database.settings)?;
    let client = open(&postgres).await?;
    client.batch_execute(&format!("{}; {}", by_hand::EFFECTS, by_hand::TABLES)).await?;
    let kind = if coming == Coming::Singly { Kind::CountSinglyByHand } else { Kind::CountByHand };
    let mut process = Process::start(kind, &settings_by_hand(bare::broker(&world).url, postgres))?;
    process.until("every message is in the inbox", LIMIT, || is_taken_in(&client, "by_hand", samples.len())).await?;
    let usage = process.usage()?.since(Usage::default(), samples.len());
    process.stop().await?;
    let found = Found::from(&client.query_one(&found_in("by_hand"), &[]).await?);
    connection.close(200, "bye".into()).await?;
    Postgres::remove(database).await;
    world.remove().await;
    Ok((found.rate(samples.len(), samples.len())?, usage))
}

async fn is_taken_in(client: &Client, schema: &str, count: usize) -> Result<bool> {
    // The tables are missing until the program has created them.
    let there = client.query_one("select to_regclass($1) is not null", &[&format!("{schema}.inbox")]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(false);
    }
    let row = client.query_one(&format!("select count(*) from {schema}.inbox"), &[]).await?;
    Ok(row.get::<_, i64>(0) >= i64::try_from(count)?)
}

/// Whether a table is empty.
pub async fn is_empty(client: &Client, table: &str) -> Result<bool> {
    let row = client.query_one(&format!("select not exists (select from {table})"), &[]).await?;
    Ok(row.get(0))
}

/// The URL of a database that was created for a run.
pub fn postgres_of(settings: &[(&'static str, String)]) -> Result<String> {
    let setting = |wanted: &str| {
        let found = settings.iter().find(|(key, _)| *key == wanted);
        found.map(|(_, value)| value.as_str()).with_context(|| format!("the database has no {wanted}"))
    };
    let (scheme, place) = setting("url")?.split_once("://").context("the database has no address")?;
    let (user, place) = place.split_once('@').context("the database has no user")?;
    Ok(format!("{scheme}://{user}:{}@{place}", setting("password")?))
}

/// Connects to such a database.
pub async fn open(postgres: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(postgres, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What a run left in its database.
#[derive(Debug)]
struct Found {
    taken_in: i64,
    effects: i64,
    late: i64,
    published: i64,
    rate: f64,
}

/// All times are Postgres's clock: from the first to the last transaction in the inbox.
fn found_in(schema: &str) -> String {
    format!(
        "with span as (select min(taken_in_at) as oldest, max(taken_in_at) as newest from {schema}.inbox)
        select (select count(*) from {schema}.inbox), (select coalesce(sum(times), 0) from effects),
            (select coalesce(sum(late), 0) from effects), (select count(*) from {schema}.outbox),
            (select count(*) filter (where taken_in_at < newest) from {schema}.inbox) / extract(epoch from newest - oldest)::float8
        from span"
    )
}

impl From<&tokio_postgres::Row> for Found {
    fn from(row: &tokio_postgres::Row) -> Self {
        Self { taken_in: row.get(0), effects: row.get(1), late: row.get(2), published: row.get(3), rate: row.get(4) }
    }
}

impl Found {
    /// The rate, if nothing was lost, duplicated or out of order.
    fn rate(&self, count: usize, published: usize) -> Result<f64> {
        let (count, published) = (i64::try_from(count)?, i64::try_from(published)?);
        ensure!((self.taken_in, self.effects) == (count, count), "{count} effects were expected: {self:?}");
        ensure!(self.published == published, "{published} rows in the outbox were expected: {self:?}");
        ensure!(self.late == 0, "the order within a subject was lost: {self:?}");
        Ok(self.rate)
    }
}
