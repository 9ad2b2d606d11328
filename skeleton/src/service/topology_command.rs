//! `<service> topology plan|apply`: the service's topology, its differences from the broker, and applying it.

use clap::Subcommand;
use serde_json::json;

use super::{
    Service,
    exit::{Exit, WRONG_SETTINGS},
    mend_jobs::{Line, MendError, MendOptions},
};
use crate::{
    config::{BrokerSettings, Settings},
    messaging::topology::{Admin, Change, Difference, Topology, TopologyError},
    store::Store,
    tls::Tls,
};

/// The exit status if there are changes. Not 2, which clap uses for wrong arguments.
const CHANGES: u8 = 3;

/// The exit status if there are clashes on the broker.
const CLASHES: u8 = 4;

#[derive(Subcommand)]
pub(super) enum TopologyCommand {
    /// Show the topology; with the management API also the changes. Exit status: 0 no changes, 3 changes, 4 clashes.
    Plan {
        /// The broker's management API with name and password, `https://admin:secret@host:15671`. Without it, only the
        /// topology is shown.
        #[arg(long, env = "KITH_RABBIT_API", hide_env_values = true)]
        api: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Apply the topology, as the broker's administrator. Exit status: 0 done, 4 clashes, nothing was changed.
    Apply {
        /// The broker's management API with name and password, `https://admin:secret@host:15671`.
        #[arg(long, env = "KITH_RABBIT_API", hide_env_values = true)]
        api: String,
    },
}

impl<S: Store> Service<S> {
    pub(super) async fn topology(self, command: TopologyCommand, settings: Settings) -> Exit {
        let broker: BrokerSettings = match settings.section("broker") {
            Ok(broker) => broker,
            Err(error) => return Exit::failed(WRONG_SETTINGS, error),
        };
        let topology = self.topology_spec(broker.partitions).topology();
        let tls = match Tls::new(broker.tls_ca_file.as_deref(), broker.allow_plaintext) {
            Ok(tls) => tls,
            Err(error) => return Exit::failed(WRONG_SETTINGS, format!("[broker] {error}")),
        };
        let administrator = |api: &str| Admin::checking(api, &virtual_host(&broker.url), &tls);
        match command {
            TopologyCommand::Plan { api: None, json } => {
                show_needs(&topology, json);
                Exit::well()
            }
            TopologyCommand::Plan { api: Some(api), json } => {
                let planning = async { administrator(&api)?.plan(&topology).await };
                match planning.await {
                    Ok(difference) => planned(&difference, json),
                    Err(error) => failed(&error),
                }
            }
            TopologyCommand::Apply { api } => {
                if broker.password.reveal().is_empty() {
                    let text = format!(
                        "{} is not set: set it to the password for the service's user",
                        settings.names("broker", &["password"])
                    );
                    return Exit::failed(WRONG_SETTINGS, text);
                }
                let applying = async { administrator(&api)?.apply(&topology, broker.password.reveal()).await };
                match applying.await {
                    Ok(difference) => {
                        println!("{difference}");
                        self.mend_jobs_of(&difference, &settings).await;
                        println!("done");
                        Exit::well()
                    }
                    Err(error) => failed(&error),
                }
            }
        }
    }

    /// Sends the jobs of a recreated queue again. If the service has not run yet, there are none.
    async fn mend_jobs_of(&self, difference: &Difference, settings: &Settings) {
        let jobs = format!("{}.jobs", self.name());
        let is_new = |change: &Change| matches!(change, Change::MakeQueue { queue, .. } if *queue == jobs);
        if !difference.changes.iter().any(is_new) {
            return;
        }
        let options = MendOptions { older_than_minutes: 0, dry_run: false, force: true };
        match self.mend_jobs(settings, options).await {
            Ok(lost) => lost.iter().for_each(|job| println!("job {}", Line(job))),
            Err(MendError::NoJobs) => {}
            Err(error) => println!("if there was a queue {jobs} before, run `{} jobs mend` ({error})", self.name()),
        }
    }
}

fn show_needs(topology: &Topology, as_json: bool) {
    if as_json {
        let Topology { exchanges, splitter, queues, rights, .. } = topology;
        println!("{:#}", json!({ "exchanges": exchanges, "splitter": splitter, "queues": queues, "rights": rights }));
    } else {
        println!("{topology}");
    }
}

fn planned(difference: &Difference, as_json: bool) -> Exit {
    if as_json {
        println!("{:#}", json!(difference));
    } else {
        println!("{difference}");
    }
    match (difference.changes.is_empty(), difference.clashes.is_empty()) {
        (_, false) => Exit::with(CLASHES),
        (false, true) => Exit::with(CHANGES),
        (true, true) => Exit::well(),
    }
}

fn failed(error: &TopologyError) -> Exit {
    let status = if matches!(error, TopologyError::Clash(_)) { CLASHES } else { 1 };
    Exit::failed(status, error)
}

/// The virtual host in an address of the broker.
fn virtual_host(url: &str) -> String {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let path = place.split_once('/').map_or("", |(_, path)| path.split('?').next().unwrap_or_default());
    match path.replace("%2f", "/").replace("%2F", "/") {
        nothing if nothing.is_empty() => "/".to_owned(),
        vhost => vhost,
    }
}

#[cfg(test)]
mod tests {
    use super::virtual_host;

    #[test]
    fn an_address_without_a_path_means_the_default_virtual_host() {
        for (url, vhost) in [
            ("amqp://contacts@127.0.0.1:5672", "/"),
            ("amqp://contacts@127.0.0.1:5672/%2f", "/"),
            ("amqp://contacts@127.0.0.1:5672/kith?heartbeat=5", "kith"),
        ] {
            assert_eq!(virtual_host(url), vhost, "{url}");
        }
    }
}
