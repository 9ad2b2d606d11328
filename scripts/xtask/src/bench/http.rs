//! HTTP to outbox to broker: a service of the skeleton beside one written by hand, each in its own process.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use skeleton::{
    Postgres,
    testing::{Provisioned, TestStore, World, broker_password},
};
use tokio_postgres::Client;

use super::{
    Size, bare,
    consume::{is_empty, open, postgres_of},
    load::{self, Lane},
    process::Process,
    program::{Kind, settings_by_hand, settings_of},
    report::{Aim, Finding, Report, quantile},
    things, things_by_hand,
};
use crate::usage::Usage;

/// How many connections the load uses, and how many a service has to its database.
pub const CONNECTIONS: usize = 32;
const TO_DATABASE: &str = "16";

/// How long a program may take to start, and an outbox to become empty.
const LIMIT: Duration = Duration::from_secs(60);

/// The result of one run of one program.
pub struct Run {
    /// The result of the load.
    pub load: load::Found,
    /// How long the outbox took to become empty after the load.
    pub drained_s: f64,
    /// Resources that the program used meanwhile.
    pub usage: Usage,
}

/// Alternates between the handwritten program and ours.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, length) = (size.choose(3, 1), Duration::from_millis(size.choose(8000, 500) as u64));
    let finding = |what: &str, unit, aim| Finding::new("http", what, unit, aim);
    let mut rate = finding("POST to outbox to broker, 32 connections", "requests/s", Aim::RatioAtLeast(0.9));
    let mut half = finding("p50", "ms", Aim::None);
    let mut most = finding("p99", "ms", Aim::None);
    let mut drained = finding("from the load's end until the outbox is empty", "s", Aim::AtMost(1.0));
    for _ in 0..rounds {
        let by_hand = run(Kind::ThingsByHand, length).await?;
        let ours = run(Kind::Things, length).await?;
        rate.add(ours.load.rate, by_hand.load.rate);
        rate.add_usage(ours.usage, Some(by_hand.usage));
        let at = |run: &Run, share| quantile(&run.load.latencies, share) / 1e3;
        half.add(at(&ours, 0.5), at(&by_hand, 0.5));
        most.add(at(&ours, 0.99), at(&by_hand, 0.99));
        drained.add(ours.drained_s, by_hand.drained_s);
    }
    report.findings.extend([rate, half, most, drained]);
    Ok(())
}

/// Runs one program once.
pub async fn run(kind: Kind, length: Duration) -> Result<Run> {
    let world = World::new().await;
    let database = Postgres::provision(&format!("{}-things", bare::vhost(&world))).await;
    let address = format!("127.0.0.1:{}", free_port()?);
    let client = open(&postgres_of(&database.settings)?).await?;
    let settings = prepare(kind, &world, &database, &client, &address).await?;
    let mut process = Process::start(kind, &settings)?;
    process.until("the program listens", LIMIT, async || Ok(Lane::open(&address).await.is_ok())).await?;
    let ran = ask(kind, &process, &client, &address, length).await;
    process.stop().await?;
    Postgres::remove(database).await;
    world.remove().await;
    ran
}

/// Creates what the program needs, and returns its settings.
async fn prepare(
    kind: Kind,
    world: &World,
    database: &Provisioned,
    client: &Client,
    address: &str,
) -> Result<Vec<(String, String)>> {
    let Some(service) = kind.service() else {
        let connection = bare::connect(world).await?;
        let channel = connection.create_channel().await?;
        bare::quorum_queue(&channel, things_by_hand::QUEUE).await?;
        channel.close(200, "bye".into()).await?;
        connection.close(200, "bye".into()).await?;
        client.batch_execute(&format!("{}; {}", things::TABLE, things_by_hand::OUTBOX)).await?;
        let mut settings = settings_by_hand(bare::broker(world).url, postgres_of(&database.settings)?);
        settings.push((things_by_hand::ADDRESS.to_owned(), address.to_owned()));
        return Ok(settings);
    };
    world.admin().apply(&service.topology_spec(1).topology(), &broker_password(service.name())).await?;
    let mut settings = settings_of(world, service.name(), &database.settings);
    settings.retain(|(name, _)| name != "CONTACTS__STORE__CONNECTIONS");
    settings.push(("CONTACTS__STORE__CONNECTIONS".to_owned(), TO_DATABASE.to_owned()));
    settings.push(("CONTACTS__HTTP__ADDRESS".to_owned(), address.to_owned()));
    Ok(settings)
}

async fn ask(kind: Kind, process: &Process, client: &Client, address: &str, length: Duration) -> Result<Run> {
    let outbox = if kind == Kind::Things { "skeleton.outbox" } else { "by_hand.outbox" };
    let request = order();
    // Warms up connections to the database and prepared statements.
    load::run(address, CONNECTIONS, length / 4, &request).await?;
    emptied(client, outbox).await?;
    let before = process.usage()?;
    let load = load::run(address, CONNECTIONS, length, &request).await?;
    let drained_s = emptied(client, outbox).await?;
    let usage = process.usage()?.since(before, load.count);
    Ok(Run { load, drained_s, usage })
}

/// The request: create a thing.
pub fn order() -> Vec<u8> {
    let note = "x".repeat(150);
    let body = format!(r#"{{"name":"thing","kind":"bench","amount":42,"note":"{note}"}}"#);
    load::request("POST", "/things", &[], &body)
}

/// Waits until an outbox is empty. Returns how long that took.
async fn emptied(client: &Client, outbox: &str) -> Result<f64> {
    let began = Instant::now();
    while !is_empty(client, outbox).await? {
        ensure!(began.elapsed() < LIMIT, "the outbox was not empty within {} s", LIMIT.as_secs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// A port that is free at this moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
