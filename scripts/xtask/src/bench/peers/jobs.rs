//! Runs the two jobs on a stack: prepares its input, and checks its results.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lapin::{
    BasicProperties, Connection,
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio_postgres::Client;

use super::{addresses::Addresses, stack::Stack};
use crate::{
    bench::{
        bare,
        http::{CONNECTIONS, free_port, order},
        load::{self, Lane},
        process::Process,
    },
    usage::Usage,
};

/// The queue that the stacks consume.
const QUEUE: &str = "bench.peers";

/// The time limit of a stack: the slowest handles some hundred messages per second.
const LIMIT: Duration = Duration::from_secs(150);

/// The outboxes of all stacks.
const OUTBOXES: [&str; 2] = ["outbox", "watermill_outbox"];

const TABLES: &str = "
    create table if not exists inbox (message_id text primary key, at timestamptz not null default clock_timestamp());
    create table if not exists subjects (subject text primary key, counter bigint not null, last_payload jsonb not null);
    create table if not exists outbox (id bigint generated always as identity primary key, topic text not null,
        message_id text not null, payload jsonb not null, created_at timestamptz not null default now());
    create table if not exists things (id uuid primary key, name text not null, body jsonb not null,
        created_at timestamptz not null default now())";

/// Counts the subjects whose last payload is not their newest.
const STALE: &str = "select count(*) from subjects s join (
        select split_part(message_id, '-', 3) subject, max(split_part(message_id, '-', 2)::int) seq from inbox group by 1
    ) i using (subject) where (s.last_payload->>'seq')::int <> i.seq";

/// The result of job A on a stack.
pub struct Consumed {
    /// Messages per second, from the first row of the inbox to the last.
    pub rate: f64,
    /// Resources used, start included.
    pub usage: Usage,
    /// How many subjects ended with a payload that is not their newest.
    pub stale: i64,
}

/// The result of job B on a stack.
pub struct Served {
    /// The result of the load.
    pub load: load::Found,
    /// Resources used meanwhile.
    pub usage: Usage,
    /// How long the outbox took to become empty after the load; `None` if the limit was exceeded.
    pub drained_s: Option<f64>,
}

/// The virtual host and database that all stacks use.
pub struct Place<'a> {
    /// A connection to the broker.
    pub broker: &'a Connection,
    /// A connection to the database.
    pub database: &'a Client,
    /// The addresses of both.
    pub addresses: &'a Addresses,
    /// The folder of the stacks.
    pub folder: &'a Path,
}

impl Place<'_> {
    /// Job A: consume; each message has one effect and one row in the outbox.
    ///
    /// # Errors
    /// If the stack exits, is too slow, or did not process each message once.
    pub async fn consume(&self, stack: &Stack, lanes: usize) -> Result<Consumed> {
        self.clear(&[QUEUE]).await?;
        seed(self.broker, stack.messages).await?;
        let mut command = stack.consuming(self.folder, QUEUE, lanes);
        let mut process = Process::run(&mut command, &self.settings())?;
        let all = i64::try_from(stack.messages)?;
        let taken_in = async || Ok(self.number("select count(*) from inbox").await? >= all);
        process.until("every message is in the inbox", LIMIT, taken_in).await?;
        let usage = process.usage()?.since(Usage::default(), stack.messages);
        process.stop().await?;
        let sums = "select coalesce(sum(counter), 0)::bigint from subjects";
        ensure!(self.number(sums).await? == all, "a message had no effect, or two");
        let rate = "select (count(*) / extract(epoch from max(at) - min(at)))::float8 from inbox";
        let rate = self.database.query_one(rate, &[]).await?.get(0);
        Ok(Consumed { rate, usage, stale: self.number(STALE).await? })
    }

    /// Job B: HTTP to outbox to broker.
    ///
    /// # Errors
    /// If the stack exits or responds with an error.
    pub async fn serve(&self, stack: &Stack, length: Duration) -> Result<Served> {
        self.clear(&[stack.publishes_into]).await?;
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = stack.serving(self.folder, port);
        let mut process = Process::run(&mut command, &self.settings())?;
        process.until("the program listens", LIMIT, async || Ok(Lane::open(&address).await.is_ok())).await?;
        load::run(&address, CONNECTIONS, length / 4, &order()).await?;
        self.drained().await?;
        let before = process.usage()?;
        let load = load::run(&address, CONNECTIONS, length, &order()).await?;
        let drained_s = self.drained().await?;
        let usage = process.usage()?.since(before, load.count);
        process.stop().await?;
        Ok(Served { load, usage, drained_s })
    }

    fn settings(&self) -> Vec<(String, String)> {
        let home = std::env::var("HOME").unwrap_or_default();
        let setting = |name: &str, value: String| (name.to_owned(), value);
        vec![
            setting("AMQP_URL", self.addresses.amqp_url()),
            setting("PG_URL", self.addresses.postgres_url()),
            // One thread: with two, its one lane is less than half as fast.
            setting("FLOOR_THREADS", "1".to_owned()),
            setting("HOME", home),
        ]
    }

    /// Empties tables and queues.
    async fn clear(&self, queues: &[&str]) -> Result<()> {
        self.database.batch_execute(TABLES).await?;
        for table in ["inbox", "subjects", "things"].iter().chain(&OUTBOXES) {
            if self.is_there(table).await? {
                self.database.batch_execute(&format!("truncate {table}")).await?;
            }
        }
        self.database.batch_execute("checkpoint").await?;
        let channel = self.broker.create_channel().await?;
        for queue in queues {
            channel.queue_delete((*queue).into(), QueueDeleteOptions::default()).await?;
        }
        channel.close(200, "bye".into()).await?;
        Ok(())
    }

    async fn is_there(&self, table: &str) -> Result<bool> {
        Ok(self.database.query_one("select to_regclass($1) is not null", &[&table]).await?.get(0))
    }

    async fn number(&self, sql: &str) -> Result<i64> {
        Ok(self.database.query_one(sql, &[]).await?.get(0))
    }

    /// Waits until all outboxes are empty, up to a limit.
    async fn drained(&self) -> Result<Option<f64>> {
        let began = Instant::now();
        for table in OUTBOXES {
            if !self.is_there(table).await? {
                continue;
            }
            while self.number(&format!("select count(*) from (select from {table} limit 1) as one")).await? > 0 {
                if began.elapsed() > LIMIT {
                    return Ok(None);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(Some(began.elapsed().as_secs_f64()))
    }
}

/// Messages in the form that all stacks read, with about a thousand subjects.
async fn seed(connection: &Connection, count: usize) -> Result<()> {
    bare::quorum_queue(&connection.create_channel().await?, QUEUE).await?;
    let mut rng = StdRng::seed_from_u64(1);
    let message = |seq: usize| {
        let subject: u32 = rng.random_range(0..1000);
        let id = format!("bench-{seq:06}-s{subject:04}");
        let note = "x".repeat(190);
        let body = format!(
            r#"{{"id":"{id}","seq":{seq},"subject":"s{subject:04}","kind":"thing.changed","amount":{},"note":"{note}"}}"#,
            seq * 7 % 997
        );
        let mut headers = FieldTable::default();
        headers.insert("_watermill_message_uuid".into(), AMQPValue::LongString(id.clone().into()));
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(id.into())
            .with_headers(headers);
        (properties, body.into_bytes())
    };
    let messages = (0..count).map(message).collect();
    bare::publish(&bare::confirmed_channel(connection).await?, "", QUEUE, messages).await.map(drop)
}

/// Declares the queue for stacks that publish but do not declare one themselves.
pub async fn declare(connection: &Connection, queue: &str) -> Result<()> {
    let channel = connection.create_channel().await?;
    let passive = QueueDeclareOptions { durable: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(queue.into(), passive, arguments).await?;
    Ok(())
}
