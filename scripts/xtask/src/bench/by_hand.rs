//! A careful implementation without the skeleton: inbox, effect and outbox row in Postgres.

use anyhow::{Context, Result};
use futures::{StreamExt, future::try_join_all};
use lapin::{Connection, message::Delivery, options::BasicAckOptions};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_postgres::{Client, NoTls, Statement, types::Json};
use uuid::Uuid;

use super::bare::{self, BATCH, number_of};

/// The queue it consumes.
pub const QUEUE: &str = "bench.by-hand";

/// Its tables. The probe service has the table `effects` too.
pub const TABLES: &str = "create schema by_hand;
    create table by_hand.inbox (message_id uuid primary key, taken_in_at timestamptz not null default now());
    create table by_hand.outbox (position bigint generated always as identity primary key, topic text not null,
        message_id uuid not null, payload jsonb not null)";

/// Counts per subject: how often, and how often a message was older than the one before.
pub const EFFECTS: &str = "create table effects (subject uuid primary key, times integer not null, newest bigint not null, late integer not null)";

/// The end of the statement that counts a message; the probe service uses the same.
macro_rules! counted_up {
    () => {
        " on conflict (subject) do update set times = e.times + 1, newest = excluded.newest,
            late = e.late + (excluded.newest <= e.newest)::int"
    };
}

/// Counts a message.
pub const COUNT: &str =
    concat!("insert into effects as e (subject, times, newest, late) values ($1, 1, $2, 0)", counted_up!());

const TAKE_IN: &str = "insert into by_hand.inbox (message_id) values ($1) on conflict do nothing";
const PUBLISH: &str = "insert into by_hand.outbox (topic, message_id, payload) values ('bench', $1, $2)";
const ALL_IN_ONE: &str = concat!(
    "with fresh as (insert into by_hand.inbox (message_id) values ($1) on conflict do nothing returning message_id),
        counted as (insert into effects as e (subject, times, newest, late) select $2, 1, $3, 0 from fresh",
    counted_up!(),
    ") insert into by_hand.outbox (topic, message_id, payload) select 'bench', message_id, $4 from fresh"
);

type Payload = Json<Box<RawValue>>;

#[derive(Deserialize)]
struct Registered {
    account_id: Uuid,
    name: String,
}

struct Message {
    delivery: Delivery,
    id: Uuid,
    subject: Uuid,
    number: i64,
    payload: Payload,
}

impl Message {
    fn read(delivery: Delivery) -> Result<Self> {
        let id = delivery.properties.message_id().as_ref().context("a message has no id")?.as_str().parse()?;
        let Registered { account_id, name } = serde_json::from_slice(&delivery.data)?;
        let payload = Json(serde_json::from_slice(&delivery.data)?);
        let number = number_of(&name).context("a message has no number")?;
        Ok(Self { delivery, id, subject: account_id, number, payload })
    }
}

/// A lane: one connection to Postgres that processes one message or batch at a time.
pub struct Lane {
    client: Client,
    take_in: Statement,
    count: Statement,
    publish: Statement,
    all_in_one: Statement,
}

impl Lane {
    /// Opens a lane.
    pub async fn open(postgres: &str) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(postgres, NoTls).await?;
        tokio::spawn(connection);
        Ok(Self {
            take_in: client.prepare(TAKE_IN).await?,
            count: client.prepare(COUNT).await?,
            publish: client.prepare(PUBLISH).await?,
            all_in_one: client.prepare(ALL_IN_ONE).await?,
            client,
        })
    }

    /// Handles all available messages as one transaction, with one pipelined statement per message.
    pub async fn work_off_in_batches(&mut self, connection: &Connection) -> Result<()> {
        let consumer = bare::consumer(connection, QUEUE).await?;
        let mut batches = consumer.ready_chunks(BATCH);
        loop {
            let batch = batches.next().await.context("the consumer has ended")?;
            let batch: Vec<Message> =
                batch.into_iter().map(|delivery| Message::read(delivery?)).collect::<Result<_>>()?;
            self.handle_batch(&batch).await?;
            if let Some(last) = batch.last() {
                last.delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
    }

    /// Handles one message at a time, each in a transaction, without pipelining.
    pub async fn work_off_singly(&mut self, connection: &Connection) -> Result<()> {
        let mut consumer = bare::consumer(connection, QUEUE).await?;
        loop {
            let message = Message::read(consumer.next().await.context("the consumer has ended")??)?;
            self.handle_one(&message).await?;
            message.delivery.ack(BasicAckOptions::default()).await?;
        }
    }

    async fn handle_batch(&mut self, batch: &[Message]) -> Result<()> {
        let tx = self.client.transaction().await?;
        let all_in_one = &self.all_in_one;
        let rows = batch.iter().map(|message| {
            let tx = &tx;
            let Message { id, subject, number, payload, .. } = message;
            async move { tx.execute(all_in_one, &[id, subject, number, payload]).await }
        });
        try_join_all(rows).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn handle_one(&mut self, message: &Message) -> Result<()> {
        let Message { id, subject, number, payload, .. } = message;
        let tx = self.client.transaction().await?;
        if tx.execute(&self.take_in, &[id]).await? == 1 {
            tx.execute(&self.count, &[subject, number]).await?;
            tx.execute(&self.publish, &[id, payload]).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
