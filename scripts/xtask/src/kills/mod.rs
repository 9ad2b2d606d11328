//! Kills services and the broker with SIGKILL while events flow, and counts what was lost or doubled.
//!
//! What flows: people import address books; each contact is an event that the network and the search take in, the
//! network answers each with an event of its own that contacts takes in, and each import's end is an event that makes a
//! notification. What is counted, in the stores themselves: contacts that never came, contacts that the network or the
//! search does not have (lost), contacts that the network has linked more than once (its events count up by contact), and
//! imports with more or fewer than one notification (doubled, lost). A seventh service, [`tally`], is killed with them and
//! counts every event it takes in.

mod tally;
mod upgrade;

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;
use skeleton::stop;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::{
    asker::{Asker, Progress},
    demo::{Person, plausible},
    native::{self, run_folder},
};

use tally::TALLY;
pub use tally::{Counting, Tally};
pub use upgrade::Upgrade;

const SERVICES: [&str; 7] = ["accounts", "contacts", TALLY, "network", "search", "notifications", "gateway"];

/// How long everything may take to settle after the last kill.
const SETTLING: Duration = Duration::from_secs(300);

/// Kill services and the broker while events flow, and count what was lost or doubled.
///
/// The servers and the services must be up (deploy/native), with nothing of value in them.
#[derive(Args)]
pub struct Kills {
    /// How many events of new contacts flow.
    #[arg(long, default_value_t = 10_000)]
    events: usize,
    /// How often a service is killed, each in turn.
    #[arg(long, default_value_t = 20)]
    services: usize,
    /// How often the broker is killed.
    #[arg(long, default_value_t = 2)]
    broker: usize,
    /// Decides the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// Events of new contacts that were sent.
    events: usize,
    /// Kills of services.
    kills: usize,
    /// Kills of the broker.
    broker_kills: usize,
    /// Effects that are missing.
    pub lost: i64,
    /// Effects that are there more than once.
    pub doubled: i64,
    /// How long it took after the last kill until all effects were there.
    seconds_to_settle: u64,
}

impl Kills {
    /// Runs it. Fails when anything was lost or doubled.
    pub async fn run(self) -> Result<()> {
        let flow = Flow::start(self.events).await?;
        let mut counting = Counting::start().await?;
        let (importing, killing) = tokio::join!(flow.run(), self.kill(&mut counting));
        importing?;
        let (kills, broker_kills) = killing?;
        let ledger = Ledger { kills, broker_kills, ..flow.settled().await? };
        counting.finish().await?;
        println!("{}", serde_json::to_string(&ledger)?);
        ensure!(ledger.lost == 0 && ledger.doubled == 0, "{} lost, {} doubled", ledger.lost, ledger.doubled);
        Ok(())
    }

    /// Kills each service in turn, and the broker in between, at moments of chance; each is started again at once.
    async fn kill(&self, counting: &mut Counting) -> Result<(usize, usize)> {
        let mut chance = StdRng::seed_from_u64(self.seed);
        let every = self.services / (self.broker + 1).max(1);
        let mut broker_kills = 0;
        for turn in 0..self.services {
            tokio::time::sleep(Duration::from_millis(chance.random_range(100..1500))).await;
            let service = SERVICES[turn % SERVICES.len()];
            if service == TALLY {
                counting.kill().await?;
            } else {
                kill_nine(service).await?;
                native::run(native::script("services").args(["start", service])).await?;
            }
            println!("killed {service} ({} of {})", turn + 1, self.services);
            if broker_kills < self.broker && every > 0 && (turn + 1) % every == 0 {
                // First it hangs: what is sent to it then is lost with it, unless somebody waits for the confirm.
                signal("rabbitmq", "-STOP")?;
                tokio::time::sleep(Duration::from_millis(500)).await;
                kill_nine("rabbitmq").await?;
                native::run(native::script("servers").args(["start", "rabbitmq"])).await?;
                broker_kills += 1;
                println!("killed the broker ({broker_kills} of {})", self.broker);
            }
        }
        Ok((self.services, broker_kills))
    }
}

/// Events that flow: people who import an address book each.
struct Flow {
    asker: Asker,
    accounts: Vec<Uuid>,
    people: Vec<Person>,
    /// Dropped, it ends the asker's connection.
    _asking: stop::StopSender,
}

impl Flow {
    /// Opens the accounts: one for each hundred of the people that are imported.
    async fn start(events: usize) -> Result<Self> {
        let (asking, stop) = stop::channel();
        let asker = Asker::connect(stop).await?;
        // Numbers that no other run has used, so that everything counted is this run's.
        let first = u64::from(rand::random::<u32>()) << 20;
        let people: Vec<Person> = (0..events as u64).map(|number| plausible(first + number)).collect();
        let owners = (events / 100).max(1);
        let progress = Progress::new("accounts", owners);
        let opening = stream::iter(&people[..owners]).map(|person| asker.account_of(person, &progress));
        let accounts = opening.buffered(8).try_collect().await?;
        Ok(Self { asker, accounts, people, _asking: asking })
    }

    /// Everyone imports their hundred contacts, one after the other, so that events flow while there is trouble.
    async fn run(&self) -> Result<()> {
        let progress = Progress::new("address books", self.accounts.len());
        for (account, people) in self.accounts.iter().zip(self.people.chunks(100)) {
            self.asker.import(*account, people.iter(), &progress).await?;
        }
        Ok(())
    }

    async fn settled(&self) -> Result<Ledger> {
        settled(&self.accounts, self.people.len(), self.accounts.len()).await
    }
}

/// Waits until every effect is there of so many contacts and imports of these accounts, one import each at most, or time is
/// over, and counts.
pub async fn settled(accounts: &[Uuid], contacts: usize, imports: usize) -> Result<Ledger> {
    let (began, mut told) = (Instant::now(), Instant::now());
    loop {
        let ledger = count(accounts, contacts, imports).await?;
        if ledger.lost <= 0 || began.elapsed() > SETTLING {
            return Ok(Ledger { seconds_to_settle: began.elapsed().as_secs(), ..ledger });
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!("settling: {} effects are still missing", ledger.lost);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Sends a signal to a process that deploy/native has started, and says which process that is.
fn signal(name: &str, signal: &str) -> Result<String> {
    let pid = native::pid_of(&run_folder(), name)?;
    let sent = std::process::Command::new("kill").args([signal, &pid]).status()?;
    ensure!(sent.success(), "{name} (process {pid}) was not there to be killed");
    Ok(pid)
}

/// Returns once the process is gone: a large one takes a while.
async fn kill_nine(name: &str) -> Result<()> {
    let pid = signal(name, "-KILL")?;
    while is_alive(&pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Whether there is such a process, and not only its exit status (`Z` in proc_pid_stat(5)).
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

async fn count(accounts: &[Uuid], sent: usize, imports: usize) -> Result<Ledger> {
    let (events, imports) = (i64::try_from(sent)?, i64::try_from(imports)?);
    let contacts = ask_postgres(
        "contacts",
        "select count(*), count(*) filter (where last is null), count(*) filter (where last > 1)
         from contacts left join skeleton.lines on line = 'network ' || contact_id where owner_id = any($1)",
        accounts,
    )
    .await?;
    let (here, unlinked, linked_twice) =
        (contacts.get::<_, i64>(0), contacts.get::<_, i64>(1), contacts.get::<_, i64>(2));
    let notices = ask_postgres(
        "notifications",
        "select count(distinct account_id), count(*) from notifications where kind = 'import-finished' and account_id = any($1)",
        accounts,
    )
    .await?;
    let (told, notifications) = (notices.get::<_, i64>(0), notices.get::<_, i64>(1));
    let tally = ask_postgres(
        TALLY,
        "select count(distinct contact_id) filter (where name = 'added'), count(distinct contact_id) filter (where name = 'linked'),
            count(*) from counted where owner_id = any($1)",
        accounts,
    )
    .await?;
    let (added, linked, counted) = (tally.get::<_, i64>(0), tally.get::<_, i64>(1), tally.get::<_, i64>(2));
    let found = search_count(accounts).await?;
    Ok(Ledger {
        events: sent,
        lost: (events - here).max(0)
            + unlinked
            + (events - found).max(0)
            + (imports - told).max(0)
            + (events - added).max(0)
            + (events - linked).max(0),
        doubled: (here - events).max(0)
            + linked_twice
            + (found - events).max(0)
            + (notifications - told)
            + (counted - added - linked),
        ..Ledger::default()
    })
}

async fn ask_postgres(database: &str, sql: &str, accounts: &[Uuid]) -> Result<tokio_postgres::Row> {
    Ok(connect(database).await?.query_one(sql, &[&accounts]).await?)
}

async fn connect(database: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(&native::postgres(database)?, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn search_count(accounts: &[Uuid]) -> Result<i64> {
    let url = native::setting("KITH_ELASTICSEARCH_URL")?;
    let client = reqwest::Client::new();
    client.post(format!("{url}/search-contacts/_refresh")).send().await?.error_for_status()?;
    let query = serde_json::json!({ "query": { "terms": { "owner_id": accounts } } });
    let answer = client.post(format!("{url}/search-contacts/_count")).json(&query).send().await?.error_for_status()?;
    let answer: serde_json::Value = answer.json().await?;
    match answer["count"].as_i64() {
        Some(count) => Ok(count),
        None => bail!("the search counted nothing"),
    }
}
