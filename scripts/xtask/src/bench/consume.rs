//! Inbox, handler and outbox in Postgres: a service of the skeleton beside the same by hand, on one thread each.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use events::{Message, accounts::Registered, contacts::ContactAdded};
use skeleton::{
    Handled, Postgres, Publish, Service, Subscriptions,
    store::postgres::Tx,
    testing::{PASSWORD, Provisioned, TestStore, World, eventually},
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

/// What the service does with what it has written to its outbox.
#[derive(Clone, Copy, PartialEq)]
enum Outbox {
    Keeps,
    Relays,
}

/// A backlog, up to 64 messages a transaction.
pub async fn measure_backlog(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(3, 1), size.choose(20_000, 1000));
    let mut kept = finding("consume", "a backlog, 64 a transaction", Aim::RatioAtLeast(0.6));
    let mut relayed = finding("consume", "the same while the relay sends what comes of it", Aim::None);
    for _ in 0..rounds {
        let samples = bare::samples(count);
        let baseline = by_hand(&samples, Coming::InBatches).await?;
        kept.baseline.push(baseline);
        kept.ours.push(by_service(&samples, Coming::InBatches, Outbox::Keeps).await?);
        relayed.baseline.push(baseline);
        relayed.ours.push(by_service(&samples, Coming::InBatches, Outbox::Relays).await?);
    }
    report.findings.extend([kept, relayed]);
    Ok(())
}

/// One message a transaction.
pub async fn measure_singly(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(5, 1), size.choose(3000, 300));
    let mut single = finding("consume-single", "one message a transaction", Aim::RatioAtLeast(0.8));
    for _ in 0..rounds {
        let samples = bare::samples(count);
        single.baseline.push(by_hand(&samples, Coming::Singly).await?);
        single.ours.push(by_service(&samples, Coming::Singly, Outbox::Keeps).await?);
    }
    report.findings.push(single);
    Ok(())
}

fn finding(row: &'static str, what: &str, aim: Aim) -> Finding {
    Finding { row, what: what.to_owned(), unit: "messages/s", ours: Vec::new(), baseline: Vec::new(), aim }
}

/// The skeleton's service. Without its relay it does the same work as the baseline.
async fn by_service(samples: &[Sample], coming: Coming, outbox: Outbox) -> Result<f64> {
    let counter = Counter::of(samples.len());
    let plan = Postgres::migrated_by(MIGRATIONS);
    let service = Service::named("contacts");
    let service = match outbox {
        Outbox::Keeps => service.projects_into(plan),
        Outbox::Relays => service.store(plan),
    };
    let service = service.consumes(Subscriptions::new().on(on_registered)).with(counter.clone());
    let world = World::new().await;
    world.admin().apply(&service.dealings().topology(), PASSWORD).await?;
    let connection = bare::connect(&world).await?;
    bare::seed(&connection, "events.accounts", Registered::KEY, samples).await?;
    let batch = if coming == Coming::Singly { "1" } else { "64" };
    let app = world.start(service, &[("broker", "batch", batch)]).await;
    counter.rate().await;
    let store = &app.parts().store;
    let taken_in = async || -> Result<i64> {
        let rows = store.query("select count(*) from skeleton.inbox", &[]).await?;
        Ok(rows.first().context("counting gave no row")?.get(0))
    };
    eventually("every message in the inbox", async || match taken_in().await {
        Ok(taken_in) if taken_in >= samples.len() as i64 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    if outbox == Outbox::Relays {
        app.sent_everything().await;
    }
    let rows = store.query(&found_in("skeleton"), &[]).await?;
    let found = Found::from(rows.first().context("counting gave no row")?);
    app.stop().await;
    let published = if outbox == Outbox::Relays { 0 } else { samples.len() };
    found.rate(samples.len(), published)
}

/// Counts a registration, and says so.
async fn on_registered(registered: Registered, tx: &mut Tx) -> Handled {
    let number = number_of(&registered.name).unwrap_or_default();
    tx.execute(COUNT, &[&registered.account_id, &number]).await?;
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
