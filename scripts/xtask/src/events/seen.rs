//! Finds when each event was last published, from the histories on a running broker.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Error, Result};
use chrono::Utc;
use clap::Args;
use contracts::{Contracts, Kind, Seen, Sighting};
use skeleton::{
    Environment,
    config::BrokerSettings,
    messaging::{
        history::published,
        rabbit::{Link, Login},
    },
    stop,
    testing::Servers,
};

use crate::native::repository;

/// List when each event was last published, as far back as the histories on the broker go. `scripts/docs --seen FILE`
/// adds it to the catalogue.
#[derive(Args)]
pub struct Look {
    /// The broker, with a user that may read all histories: `amqp://admin:secret@host:5672/%2f`.
    #[arg(long, env = "KITH_AMQP_URL", hide_env_values = true)]
    amqp: String,
    /// Write to this file instead of standard output.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Look {
    /// Runs it.
    pub async fn run(self) -> Result<bool> {
        let seen = self.seen(&Contracts::read(&repository())?).await?;
        let text = format!("{:#}\n", serde_json::to_value(&seen)?);
        match &self.out {
            Some(path) => fs::write(path, text).with_context(|| path.display().to_string())?,
            None => print!("{text}"),
        }
        Ok(true)
    }

    async fn seen(&self, contracts: &Contracts) -> Result<Seen> {
        let (_open, opened) = stop::channel();
        let login = Login::new(&settings(&self.amqp)).map_err(Error::new)?;
        let link = Link::open(login, "events seen".to_owned(), Environment::system(), opened);
        let mut seen = Seen { read_at: Utc::now(), histories: BTreeMap::new(), messages: BTreeMap::new() };
        let events = contracts.messages.values().filter(|message| message.kind == Kind::Event);
        for owner in events.map(|message| &message.name.owner) {
            if seen.histories.contains_key(owner) {
                continue;
            }
            let found = published(&link, owner).await.map_err(Error::msg)?;
            seen.histories.insert(owner.clone(), found.since);
            for (name, events) in found.messages {
                let name = name.parse().map_err(Error::msg)?;
                seen.messages.insert(name, Sighting { last: events.last, count: events.count });
            }
        }
        Ok(seen)
    }
}

fn settings(amqp: &str) -> BrokerSettings {
    let (url, password) = Servers::without_password(amqp);
    BrokerSettings {
        url,
        password: password.as_str().into(),
        tls_ca_file: None,
        allow_plaintext: false,
        prefetch: 256,
        batch: 64,
        partitions: 1,
        window: 256,
        confirm_timeout_ms: 5000,
        reconnect_max_ms: 500,
    }
}
