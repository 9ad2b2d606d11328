//! Rows 39 to 52: faults of databases.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::FutureExt;
use kith_cli::Store;
use rand::{RngExt, rngs::StdRng};

use super::{
    callers::asking, database_tests, full_disk, parked, played::Played, row::Row, server::Server, stage::Stage,
};
use crate::{
    native::{self, services_on},
    trial::{TALLY, connect, processes},
};

/// How long sessions are terminated in row 40, once a second.
const CUTS: u32 = 10;

/// The highest share of requests that may fail although they were repeated once.
const MAY_FAIL_TWICE: f64 = 0.001;

/// The rows of databases.
pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::played(39, "Postgres restarted under load", |stage| restarted(stage).boxed_local()).within(10),
        Row::played(40, "sessions of Postgres terminated every second", |stage| sessions_cut(stage).boxed_local())
            .within(5),
        Row::played(41, "the disk under a database full", |stage| full_disk::play(stage).boxed_local()).within(10),
        // The backlog of the outage is processed first.
        Row::played(45, "Neo4j killed under load", |stage| killed(stage).boxed_local()).within(60),
        Row::played(47, "each store unavailable for a while", |stage| away(stage).boxed_local()).within(120),
    ];
    rows.extend(database_tests::rows());
    rows
}

async fn restarted(stage: &mut Stage) -> Result<Played> {
    let trouble = async |_: &mut Stage| {
        native::run(native::script("servers").args(["stop", "postgres"])).await?;
        processes::start_server("postgres").await
    };
    let (played, heard) = asking(stage, trouble).await?;
    heard.is_polite()?;
    Ok(played)
}

async fn sessions_cut(stage: &mut Stage) -> Result<Played> {
    let trouble = async |stage: &mut Stage| {
        let client = connect("postgres").await?;
        for _ in 0..CUTS {
            tokio::time::sleep(Duration::from_secs(1)).await;
            cut_some(&client, &mut stage.rng).await?;
        }
        Ok(())
    };
    let (played, heard) = asking(stage, trouble).await?;
    heard.is_polite()?;
    let share = heard.share_failed_twice();
    ensure!(share <= MAY_FAIL_TWICE, "{:.2} % of the requests failed even when repeated", share * 100.0);
    Ok(played)
}

/// Terminates a random third of the services' sessions.
async fn cut_some(client: &tokio_postgres::Client, rng: &mut StdRng) -> Result<()> {
    let databases = [services_on(Store::Postgres)?, vec![TALLY]].concat();
    let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = any($1) and hashint4(pid + $2) % 3 = 0 and pid <> pg_backend_pid()";
    client.query_one(sql, &[&databases, &rng.random_range(0..1000i32)]).await?;
    Ok(())
}

async fn killed(stage: &mut Stage) -> Result<Played> {
    let trouble = async |_: &mut Stage| {
        processes::kill("neo4j").await?;
        processes::start_server("neo4j").await
    };
    parked::none_more(stage, async |stage| stage.flowing(trouble).await).await
}

/// Stops each store in turn; no message may be parked because of it.
async fn away(stage: &mut Stage) -> Result<Played> {
    let mut all = Played::default();
    for store in stage.lengths.stores() {
        let played = parked::none_more(stage, async |stage| one_away(stage, store).await).await?;
        all = all.and(store.name(), played);
    }
    Ok(all)
}

async fn one_away(stage: &mut Stage, store: Server) -> Result<Played> {
    let trouble = async |stage: &mut Stage| {
        native::run(native::script("servers").args(["stop", store.name()])).await?;
        tokio::time::sleep(stage.lengths.outage).await;
        processes::start_server(store.name()).await
    };
    let (played, heard) = asking(stage, trouble).await?;
    heard.is_polite()?;
    Ok(played)
}
