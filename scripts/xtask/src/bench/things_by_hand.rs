//! The same as [`super::things`] without the skeleton: warp, a pool, an outbox and a loop that publishes it.

use std::{env, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use futures::future::try_join_all;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use lapin::{BasicProperties, Channel, Confirmation, Connection, options::BasicPublishOptions};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::{net::TcpListener, sync::Notify};
use tokio_postgres::{NoTls, types::Json};
use uuid::Uuid;
use warp::{Filter, http::StatusCode};

use super::{bare, things};

/// The variable with the address to listen on.
pub const ADDRESS: &str = "BENCH_ADDRESS";

/// The queue it publishes to.
pub const QUEUE: &str = "bench.things";

/// Its outbox, beside the table of things.
pub const OUTBOX: &str =
    "create schema by_hand; create table by_hand.outbox (position bigint generated always as identity primary key,
    message_id uuid not null, payload jsonb not null)";

const CONNECTIONS: usize = 16;
const WINDOW: i64 = 256;
const POLL: Duration = Duration::from_millis(100);

const STAGE: &str = "insert into by_hand.outbox (message_id, payload) values ($1, $2)";
const NEXT: &str = "select position, message_id, payload from by_hand.outbox order by position limit $1";
const REMOVE: &str = "delete from by_hand.outbox where position = any($1)";

#[derive(Debug, Deserialize, Serialize)]
struct Thing {
    name: String,
    kind: String,
    amount: i64,
    note: String,
}

struct App {
    pool: Pool,
    stored: Notify,
}

impl App {
    async fn keep(&self, thing: &Thing) -> Result<Uuid> {
        let (id, body) = (Uuid::now_v7(), Json(thing));
        let mut client = self.pool.get().await?;
        let (keep, stage) = (client.prepare_cached(things::KEEP).await?, client.prepare_cached(STAGE).await?);
        let tx = client.transaction().await?;
        tx.execute(&keep, &[&id, &thing.name, &body]).await?;
        tx.execute(&stage, &[&id, &body]).await?;
        tx.commit().await?;
        self.stored.notify_one();
        Ok(id)
    }

    async fn relay(&self, channel: Channel) -> Result<()> {
        let client = self.pool.get().await?;
        loop {
            let rows = client.query(&client.prepare_cached(NEXT).await?, &[&WINDOW]).await?;
            if rows.is_empty() {
                let _ = tokio::time::timeout(POLL, self.stored.notified()).await;
                continue;
            }
            let mut confirms = Vec::with_capacity(rows.len());
            for row in &rows {
                let (id, payload): (Uuid, Json<Box<RawValue>>) = (row.get(1), row.get(2));
                let properties = BasicProperties::default()
                    .with_delivery_mode(2)
                    .with_content_type("application/json".into())
                    .with_message_id(id.to_string().into());
                let options = BasicPublishOptions { mandatory: true, ..Default::default() };
                let body = payload.0.get().as_bytes();
                confirms.push(channel.basic_publish("".into(), QUEUE.into(), options, body, properties).await?);
            }
            for confirm in try_join_all(confirms).await? {
                ensure!(matches!(confirm, Confirmation::Ack(None)), "not confirmed: {confirm:?}");
            }
            let positions: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            client.execute(&client.prepare_cached(REMOVE).await?, &[&positions]).await?;
        }
    }
}

/// Serves until it is stopped.
pub async fn serve(connection: &Connection, postgres: &str) -> Result<()> {
    let address: SocketAddr = env::var(ADDRESS).context("no address to listen on is set")?.parse()?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(postgres.parse()?, NoTls, recycling);
    let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
    let channel = bare::confirmed_channel(connection).await?;
    let app = Arc::new(App { pool, stored: Notify::new() });
    let relaying = app.clone();
    let things = warp::path!("things").and(warp::post()).and(warp::body::json()).then(move |thing: Thing| {
        let app = app.clone();
        async move {
            match app.keep(&thing).await {
                Ok(id) => warp::reply::with_status(warp::reply::json(&id), StatusCode::CREATED),
                Err(error) => {
                    let text = warp::reply::json(&error.to_string());
                    warp::reply::with_status(text, StatusCode::INTERNAL_SERVER_ERROR)
                }
            }
        }
    });
    let listener = TcpListener::bind(address).await?;
    let service = TowerToHyperService::new(warp::service(things));
    let serving = async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // The load reports failed connections.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()));
        }
    };
    tokio::select! {
        ended = relaying.relay(channel) => ended,
        ended = serving => ended,
    }
}
