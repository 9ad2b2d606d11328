//! The same two jobs on other common stacks, alternating with ours in the same run.
//!
//! Job A consumes a backlog; each message has one effect and one row in the outbox. Job B responds to HTTP requests
//! after one transaction, while a relay publishes the outbox. The stacks come from a separate folder, which is never
//! changed; they are built in a copy.

mod addresses;
mod jobs;
mod stack;

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use lapin::{Connection, ConnectionProperties};
use skeleton::{messaging::topology::Admin, testing::Servers};
use tokio_postgres::NoTls;

use self::{
    addresses::{Addresses, PLACE},
    jobs::Place,
    stack::{STACKS, Stack, copies},
};
use super::{
    Size, bare,
    consume::{self, Coming, open},
    http,
    program::Kind,
    report::{Aim, Finding, Report},
};
use crate::native::repository;

/// How many lanes the stacks have when they need not keep the order.
const LANES: usize = 8;

/// Measures all stacks that are present and can be built.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let from = env::var_os("KITH_PEERS").map_or_else(|| repository().join("../shared/peers"), PathBuf::from);
    if !from.is_dir() {
        report.notes.push(format!("peers: skipped, {} does not exist (set KITH_PEERS)", from.display()));
        return Ok(());
    }
    let servers = Servers::from_env();
    let addresses = Addresses::of(&servers.amqp, &servers.postgres)?;
    make_place(&servers).await?;
    let broker = Connection::connect(&addresses.amqp_url(), ConnectionProperties::default()).await?;
    let database = open(&addresses.postgres_url()).await?;
    let folder = copies();
    let place = Place { broker: &broker, database: &database, addresses: &addresses, folder: &folder };
    for stack in STACKS {
        if let Err(error) = stack.build(&from, &folder, &addresses).await {
            report.notes.push(format!("peers: {} skipped: {error:#}", stack.name));
            continue;
        }
        report.notes.push(format!("peers: {} {}", stack.name, stack.versions(&folder)));
        if let Err(error) = beside_ours(&stack, &place, size, report).await {
            report.notes.push(format!("peers: {} not measured completely: {error:#}", stack.name));
        }
    }
    broker.close(200, "bye".into()).await?;
    Ok(())
}

/// Measures one stack after ours, job by job.
async fn beside_ours(stack: &Stack, place: &Place<'_>, size: Size, report: &mut Report) -> Result<()> {
    let is_floor = stack.name == "floor";
    let finding = |what: String, unit, aim| Finding::new("peers", what, unit, if is_floor { Aim::None } else { aim });
    let (name, messages) = (stack.name, size.choose(20_000, 500));
    for (lanes, coming, aim) in [(1, Coming::Singly, 1.2), (LANES, Coming::InBatches, 3.0)] {
        let many = if coming == Coming::Singly { messages / 5 } else { messages };
        let (ours, used) = consume::by_service(&bare::samples(many), coming, Kind::CountWaiting).await?;
        let theirs = place.consume(stack, lanes).await?;
        let how = match lanes {
            1 => "one message per transaction beside one lane",
            _ if is_floor => "in batches beside batches of 64",
            _ => "in batches beside eight lanes",
        };
        let mut rate = finding(format!("consume, {how} of {name}"), "messages/s", Aim::RatioAtLeast(aim));
        rate.add(ours, theirs.rate);
        rate.add_usage(used, Some(theirs.usage));
        report.findings.push(rate);
        if theirs.stale > 0 {
            let lost = format!(
                "peers: {name} in {lanes} lanes ended with {} of 1000 subjects on an old payload",
                theirs.stale
            );
            report.notes.push(lost);
        }
    }
    if is_floor || name == "node" {
        jobs::declare(place.broker, stack.publishes_into).await?;
    }
    let length = Duration::from_millis(size.choose(8000, 500) as u64);
    let ours = http::run(Kind::Things, length).await?;
    let theirs = place.serve(stack, length).await?;
    let mut rate = finding(format!("POST to outbox, while it is relayed, beside {name}"), "requests/s", Aim::None);
    rate.add(ours.load.rate, theirs.load.rate);
    rate.add_usage(ours.usage, Some(theirs.usage));
    report.findings.push(rate);
    let Some(after) = theirs.drained_s else {
        report.notes.push(format!("peers: the outbox of {name} did not become empty in time"));
        return Ok(());
    };
    let mut drained = finding(format!("outbox empty after that, beside {name}"), "s", Aim::None);
    drained.add(ours.drained_s, after);
    let what = format!("POST to broker, until the outbox is empty, beside {name}");
    let mut through = finding(what, "requests/s", Aim::RatioAtLeast(0.9));
    through.add(ours.load.rate_until_done(ours.drained_s), theirs.load.rate_until_done(after));
    report.findings.extend([drained, through]);
    Ok(())
}

/// Recreates the virtual host and the database of the stacks.
async fn make_place(servers: &Servers) -> Result<()> {
    let admin = Admin::new(&servers.rabbit_api, PLACE);
    // It may not exist yet.
    let _ = admin.delete(&format!("vhosts/{PLACE}")).await;
    admin.put(&format!("vhosts/{PLACE}"), &serde_json::json!({})).await.context("cannot create the virtual host")?;
    let (client, connection) = tokio_postgres::connect(&servers.postgres, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute(&format!("drop database if exists {PLACE} with (force)")).await?;
    client.batch_execute(&format!("create database {PLACE}")).await?;
    Ok(())
}
