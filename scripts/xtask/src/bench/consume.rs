//! Inbox, handler and outbox in Postgres: a service of the skeleton beside the same by hand, on one thread each.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use events::{Message, accounts::Registered, contacts::ContactAdded};
use skeleton::{
    Handled, Postgres, Publish, Service, Subscriptions,
    store::postgres::Tx,
    testing::{Provisioned, TestStore, World, broker_password, eventually},
};
use tokio_postgres::{Client, NoTls};

use super::{
    Size,
    bare::{self, Sample, number_of},
    by_hand::{self, COUNT, Lane},
    counter::Counter,
    report::{Aim, Finding, Report},
};

const QUEUE: &str = "bench.by-hand";

const MIGRATIONS: &[(&str, &str)] = &[("V1__probe", by_hand::EFFECTS)];

/// How the messages come.
#[derive(Clone, Copy, PartialEq)]
enum Coming {
    InBatches,
    Singly,
}

/// How the service works: whether its handler waits for each statement, and whether its relay runs.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Waiting,
    Pipelined,
    Relaying,
}

/// A backlog, up to 64 messages a transaction.
pub async fn measure_backlog(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(3, 1), size.choose(20_000, 1000));
    let row = |what, aim| finding("consume", what, aim);
    let findings = [
        (Way::Waiting, row("a backlog, 64 a transaction, the handler waits for its statement", Aim::RatioAtLeast(0.6))),
        (Way::Pipelined, row("the same, its statement goes out with the commit", Aim::RatioAtLeast(0.6))),
        (Way::Relaying, row("the same while the relay sends what comes of it", Aim::None)),
    ];
    report.findings.extend(compare(findings, Coming::InBatches, rounds, count).await?);
    Ok(())
}

/// How many messages a second a service consumes from a backlog, its statements going out with the commit.
pub async fn rate_of_backlog(count: usize) -> Result<f64> {
    by_service(&bare::samples(count), Coming::InBatches, Way::Pipelined).await
}

/// One message a transaction.
pub async fn measure_singly(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(7, 1), size.choose(1000, 300));
    let row = |what, aim| finding("consume-single", what, aim);
    let findings = [
        (Way::Waiting, row("one message a transaction, the handler waits for its statement", Aim::RatioAtLeast(0.8))),
        (Way::Pipelined, row("the same, its statement goes out with the commit", Aim::RatioAtLeast(0.8))),
    ];
    report.findings.extend(compare(findings, Coming::Singly, rounds, count).await?);
    Ok(())
}

fn finding(row: &'static str, what: &str, aim: Aim) -> Finding {
    Finding::new(row, what, "messages/s", aim)
}

/// Each round: by hand, and then each way once, with the same messages.
async fn compare<const N: usize>(
    mut findings: [(Way, Finding); N],
    coming: Coming,
    rounds: usize,
    count: usize,
) -> Result<Vec<Finding>> {
    for _ in 0..rounds {
        let samples = bare::samples(count);
        let baseline = by_hand(&samples, coming).await?;
        for (way, finding) in &mut findings {
            finding.add(by_service(&samples, coming, *way).await?, baseline);
        }
    }
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// The skeleton's service. Without its relay it does the same work as the baseline.
async fn by_service(samples: &[Sample], coming: Coming, way: Way) -> Result<f64> {
    let counter = Counter::of(samples.len());
    let (name, plan) = (Service::named("contacts"), Postgres::migrated_by(MIGRATIONS));
    let service = if way == Way::Relaying { name.store(plan) } else { name.projects_into(plan) };
    let subscriptions = match way {
        Way::Waiting => Subscriptions::new().on(on_registered),
        Way::Pipelined | Way::Relaying => Subscriptions::new().on(on_registered_pipelined),
    };
    let service = service.consumes(subscriptions).with(counter.clone());
    let world = World::new().await;
    world.admin().apply(&service.dealings(1).topology(), &broker_password(service.name())).await?;
    let connection = bare::connect(&world).await?;
    bare::seed(&connection, "events.accounts", Registered::KEY, samples).await?;
    let batch = if coming == Coming::Singly { "1" } else { "64" };
    let app = world.start(service, &[("broker", "batch", batch)]).await;
    counter.rate().await;
    let store = &app.parts().store;
    eventually("every message in the inbox", async || match taken_in(store).await {
        Ok(taken_in) if taken_in >= samples.len() as i64 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    if way == Way::Relaying {
        app.sent_everything().await;
    }
    let rows = store.query(&found_in("skeleton"), &[]).await?;
    let found = Found::from(rows.first().context("counting gave no row")?);
    connection.close(200, "bye".into()).await?;
    app.stop().await;
    found.rate(samples.len(), if way == Way::Relaying { 0 } else { samples.len() })
}

async fn taken_in(store: &Postgres) -> Result<i64> {
    let rows = store.query("select count(*) from skeleton.inbox", &[]).await?;
    Ok(rows.first().context("counting gave no row")?.get(0))
}

/// Counts a registration, and says so.
async fn on_registered(registered: Registered, tx: &mut Tx) -> Handled {
    let number = number_of(&registered.name).unwrap_or_default();
    tx.execute(COUNT, &[&registered.account_id, &number]).await?;
    publish(registered, tx)
}

/// The same without waiting for Postgres.
async fn on_registered_pipelined(registered: Registered, tx: &mut Tx) -> Handled {
    let number = number_of(&registered.name).unwrap_or_default();
    tx.execute_later(COUNT, &[&registered.account_id, &number]).await?;
    publish(registered, tx)
}

/// Publishes about as much as it came with, as by hand.
fn publish(registered: Registered, tx: &mut Tx) -> Handled {
    let added_at = tx.now();
    tx.publish(ContactAdded {
        contact_id: registered.account_id,
        owner_id: registered.account_id,
        name: registered.name,
        given_name: None,
        family_name: None,
        emails: vec![registered.email],
        phones: Vec::new(),
        company: None,
        title: None,
        notes: None,
        urls: Vec::new(),
        added_at,
    })?;
    tx.resource::<Counter>().count();
    Ok(())
}

async fn by_hand(samples: &[Sample], coming: Coming) -> Result<f64> {
    let world = World::new().await;
    let connection = bare::connect(&world).await?;
    bare::quorum_queue(&connection.create_channel().await?, QUEUE).await?;
    bare::seed(&connection, "", QUEUE, samples).await?;
    let database = Postgres::provision(&format!("{}-by-hand", bare::vhost(&world))).await;
    let client = open(&database).await?;
    client.batch_execute(&format!("{}; {}", by_hand::EFFECTS, by_hand::TABLES)).await?;
    let mut lane = Lane::on(open(&database).await?).await?;
    match coming {
        Coming::InBatches => lane.work_off_in_batches(&connection, QUEUE, samples.len()).await?,
        Coming::Singly => lane.work_off_singly(&connection, QUEUE, samples.len()).await?,
    }
    let found = Found::from(&client.query_one(&found_in("by_hand"), &[]).await?);
    connection.close(200, "bye".into()).await?;
    Postgres::remove(database).await;
    world.remove().await;
    found.rate(samples.len(), samples.len())
}

async fn open(database: &Provisioned) -> Result<Client> {
    let setting = |wanted: &str| {
        let found = database.settings.iter().find(|(key, _)| *key == wanted);
        found.map(|(_, value)| value.as_str()).with_context(|| format!("the database has no {wanted}"))
    };
    let mut config: tokio_postgres::Config = setting("url")?.parse()?;
    config.password(setting("password")?).connect_timeout(Duration::from_secs(5));
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What a run has left in its database.
#[derive(Debug)]
struct Found {
    taken_in: i64,
    effects: i64,
    late: i64,
    published: i64,
    rate: f64,
}

/// Everything is counted on Postgres's clock: what was taken in from the first transaction to the last.
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
    /// The rate, where nothing was lost, doubled or overtaken.
    fn rate(&self, count: usize, published: usize) -> Result<f64> {
        let (count, published) = (i64::try_from(count)?, i64::try_from(published)?);
        ensure!((self.taken_in, self.effects) == (count, count), "{count} effects were expected: {self:?}");
        ensure!(self.published == published, "{published} rows in the outbox were expected: {self:?}");
        ensure!(self.late == 0, "the order within a subject was lost: {self:?}");
        Ok(self.rate)
    }
}
