//! A service that writes and one that listens, in their own virtual host: the steps between a commit and an
//! acknowledgement are easiest to observe without other traffic.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use serde_json::json;
use skeleton::messaging::topology::Admin;
use uuid::Uuid;

use super::{
    hold::Hold,
    writer::{self, OWNER, WRITER},
};
use crate::{
    native::{postgres, setting},
    trial::{
        Counting, Ledger, OwnService, TALLY, Tallied, broker_url, connect, drop_database, free_address, make_database,
    },
};

/// The prefix of the pairs' virtual hosts.
///
/// Each pair has a virtual host with a new name. With RabbitMQ 3.10, a quorum queue that was deleted and declared again
/// under its name can be missing after `kill -9` (`could not be restarted {error,enoent}` in its log: it looks for the
/// folder of the deleted one).
const VHOSTS: &str = "chaos-";

/// The database of each.
pub const WRITES: &str = "chaos_writer";
pub const LISTENS: &str = "chaos_listener";

/// How many contacts there are: each has many events, so that order matters.
const CONTACTS: u128 = 20;

/// How long all events may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The two services.
pub struct Pair {
    pub writer: OwnService,
    pub listener: Counting,
    api: String,
    client: reqwest::Client,
    vhost: String,
    admin: Admin,
}

impl Pair {
    /// Starts both, without data.
    pub async fn start() -> Result<Self> {
        let vhost = format!("{VHOSTS}{}", Uuid::new_v4().simple());
        let admin = Admin::new(&setting("KITH_RABBIT_API")?, &vhost);
        remove_earlier(&admin).await?;
        admin.put(&format!("vhosts/{vhost}"), &json!({})).await?;
        make_database(WRITES).await?;
        let password = password()?;
        admin.apply(&writer::service().topology_spec(1).topology(), &password).await?;
        let api = free_address()?;
        let settings = vec![
            ("BROKER__URL", broker_url(writer::NAME, &vhost)?),
            ("BROKER__PASSWORD", password),
            ("STORE__URL", postgres(WRITES)?),
            ("HTTP__ADDRESS", api.clone()),
        ];
        let writer = OwnService::new(WRITER, writer::NAME, settings)?;
        let listener = Counting::start_in(&vhost, LISTENS, &[]).await?;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let mut pair = Self { writer, listener, api, client, vhost, admin };
        pair.writer.start()?;
        pair.writer.ready().await?;
        pair.listener.process().ready().await?;
        Ok(pair)
    }

    /// Writes this many times, to all contacts in turn, a few at a time.
    ///
    /// # Errors
    /// If a write is not acknowledged.
    pub async fn write(&self, times: usize) -> Result<()> {
        for round in (0..times).collect::<Vec<_>>().chunks(CONTACTS as usize) {
            let writes = round.iter().map(|number| self.write_to(Uuid::from_u128(*number as u128 % CONTACTS + 1)));
            join_all(writes).await.into_iter().collect::<Result<Vec<()>>>()?;
        }
        Ok(())
    }

    async fn write_to(&self, contact: Uuid) -> Result<()> {
        self.client.post(format!("http://{}/contacts/{contact}", self.api)).send().await?.error_for_status()?;
        Ok(())
    }

    /// Writes at this interval until the fault is over. Returns the number of acknowledged writes and the slowest
    /// latency.
    ///
    /// # Errors
    /// If a write is not acknowledged.
    pub async fn writing_during<T>(
        &self,
        rhythm: Duration,
        trouble: impl Future<Output = Result<T>>,
    ) -> Result<(T, usize, Duration)> {
        let mut trouble = std::pin::pin!(trouble);
        let mut clock = tokio::time::interval(rhythm);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut writes, mut slowest) = (0, Duration::ZERO);
        loop {
            tokio::select! {
                over = &mut trouble => return Ok((over?, writes, slowest)),
                _ = clock.tick() => {}
            }
            let began = Instant::now();
            self.write_to(Uuid::from_u128(writes as u128 % CONTACTS + 1)).await.context("a write was refused")?;
            slowest = slowest.max(began.elapsed());
            writes += 1;
        }
    }

    /// How many events wait in the writer's outbox.
    pub async fn outbox(&self) -> Result<i64> {
        Ok(connect(WRITES).await?.query_one("select count(*) from skeleton.outbox", &[]).await?.get(0))
    }

    /// What the listener has handled.
    pub async fn seen(&self) -> Result<Tallied> {
        Tallied::read(LISTENS, &[OWNER]).await
    }

    /// How many messages the listener's queue has, delivered or not, by the broker's latest count.
    pub async fn waiting(&self) -> Result<u64> {
        let queue = self.admin.get(&format!("queues/{}/{TALLY}.events", self.vhost)).await?;
        queue["messages"].as_u64().context("a queue has no number of messages")
    }

    /// How many repeated deliveries the listener has received.
    pub async fn duplicates(&self) -> Result<f64> {
        self.listener.process().metric("inbox_duplicates_total").await
    }

    /// Waits until the listener has handled all that was written. Returns how long that took.
    pub async fn settled(&self) -> Result<(Ledger, Duration)> {
        self.settled_with(0).await
    }

    /// The same, with this many events in addition that did not come from the writer.
    pub async fn settled_with(&self, beside: usize) -> Result<(Ledger, Duration)> {
        let began = Instant::now();
        loop {
            let written = self.written().await? + i64::try_from(beside)?;
            let seen = self.seen().await?;
            let missing = written - seen.different;
            if missing > 0 && began.elapsed() < TIMEOUT {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            if missing > 0 {
                let outbox = self.outbox().await?;
                let queue = self.waiting().await.map_or_else(|error| error.to_string(), |waiting| waiting.to_string());
                println!(
                    "{missing} of {written} events are missing; {outbox} are in the outbox, in the queue: {queue}"
                );
            }
            let Tallied { left_out, doubled, out_of_order, .. } = seen;
            let (events, lost) = (usize::try_from(written)?, missing + left_out);
            return Ok((Ledger { events, lost, doubled, out_of_order, ..Ledger::default() }, began.elapsed()));
        }
    }

    async fn written(&self) -> Result<i64> {
        let sql = "select coalesce(sum(times), 0)::int8 from written";
        Ok(connect(WRITES).await?.query_one(sql, &[]).await?.get(0))
    }

    /// Blocks the listener in the middle of its transactions: the table it writes to is locked.
    pub async fn hold_listener(&self) -> Result<Hold> {
        Hold::of(LISTENS, "lock table counted in share mode").await
    }

    /// Its virtual host.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// An administrator's connection to its management API.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Stops both and removes all that they used.
    pub async fn finish(mut self) -> Result<()> {
        if self.writer.is_started() {
            self.writer.kill().await?;
        }
        self.listener.finish().await?;
        self.admin.delete(&format!("vhosts/{}", self.vhost)).await?;
        drop_database(WRITES).await
    }
}

/// Removes what an interrupted run left behind.
async fn remove_earlier(admin: &Admin) -> Result<()> {
    let vhosts = admin.get("vhosts").await?;
    let names =
        vhosts.as_array().context("no list of virtual hosts")?.iter().filter_map(|vhost| vhost["name"].as_str());
    for name in names.filter(|name| name.starts_with(VHOSTS)) {
        admin.delete(&format!("vhosts/{name}")).await?;
    }
    Ok(())
}

/// The existing password of the broker's user: users are shared by all virtual hosts.
pub fn password() -> Result<String> {
    let path = PathBuf::from(setting("KITH_SECRETS")?).join(format!("{}.broker", writer::NAME));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(!text.trim().is_empty(), "{} is empty", path.display());
    Ok(text.trim().to_owned())
}
