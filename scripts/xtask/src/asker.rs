//! A client that sends requests to the services over the broker as the user `demo`.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use accounts_events::{OpenSession, RegisterAccount};
use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use contacts_events::{AddImportPart, GetImport, ImportViewStatus, StartImport, SubmitImport};
use network_events::GetDegrees;
use skeleton::{
    Environment, Problem, RequestOptions, Requests, Secret,
    config::BrokerSettings,
    messaging::{
        rabbit::{Link, Login, RabbitPublisher},
        topology::{Admin, TopologySpec},
    },
    stop,
};
use uuid::Uuid;

use crate::{demo::Person, native::setting, progress::Progress};

/// The password of all demo accounts.
const PASSWORD: &str = "demo-password";

/// How often a request is retried, every half second: long enough to outlast any outage of a trial.
const MOST_TRIES: u32 = 3000;

/// How long the network may take to process the last ties.
const SETTLING: Duration = Duration::from_secs(600);

/// Sends requests to the services as the user `demo`.
pub struct Asker {
    requests: Requests,
}

impl Asker {
    /// Creates the user `demo` and connects as it, with the addresses from `servers.env`. `timeout` applies to each
    /// reply.
    pub async fn connect(timeout: Duration, stop: stop::Stop) -> Result<Self> {
        let (api, amqp, secrets) =
            (setting("KITH_RABBIT_API")?, setting("KITH_AMQP_URL")?, PathBuf::from(setting("KITH_SECRETS")?));
        let password = fs::read_to_string(secrets.join("demo.broker")).context("cannot read the secret demo.broker")?;
        let calls = ["accounts", "contacts", "network"].map(str::to_owned).to_vec();
        let topology_spec = TopologySpec { service: "demo".to_owned(), calls, ..TopologySpec::default() };
        Admin::new(&api, "/").apply(&topology_spec.topology(), password.trim()).await?;
        let place =
            amqp.rsplit_once('@').map(|(_, place)| place).ok_or_else(|| anyhow!("KITH_AMQP_URL has no user"))?;
        let settings = BrokerSettings {
            url: format!("amqp://demo@{place}"),
            password: Secret::from(password.trim()),
            prefetch: 64,
            batch: 1,
            partitions: 1,
            window: 64,
            confirm_timeout_ms: 5000,
            reconnect_max_ms: 1000,
            tls_ca_file: None,
            allow_plaintext: false,
        };
        let login = Login::new(&settings)?;
        let link =
            |purpose: &str| Link::open(login.clone(), format!("demo {purpose}"), Environment::system(), stop.clone());
        let publisher = Arc::new(RabbitPublisher::new(link("asking"), timeout));
        Ok(Self {
            requests: Requests::start("demo", link("replies"), publisher, timeout, Environment::system(), stop.clone()),
        })
    }

    /// Registers a person, or signs in if the account exists.
    pub async fn account_of(&self, person: &Person, progress: &Progress) -> Result<Uuid> {
        let register = RegisterAccount {
            email: person.email(),
            password: PASSWORD.to_owned(),
            name: person.name(),
            discoverable: Some(true),
            nameable: Some(true),
        };
        let account = match self.ask(&register).await {
            Ok(account) => account.account_id,
            Err(problem) if problem.status == 409 => {
                let open =
                    OpenSession { email: person.email(), password: PASSWORD.to_owned(), device: "demo".to_owned() };
                self.ask(&open).await.map_err(failed)?.account_id
            }
            Err(problem) => return Err(failed(problem)),
        };
        progress.step();
        Ok(account)
    }

    /// Imports an address book and waits until the import has finished.
    pub async fn import(
        &self,
        account: Uuid,
        people: impl Iterator<Item = &Person>,
        progress: &Progress,
    ) -> Result<()> {
        let file: String = people.map(Person::vcard).collect();
        let name = Some("demo.vcf".to_owned());
        let started =
            self.ask(&StartImport { account_id: account, file_name: name, size: None }).await.map_err(failed)?;
        let import_id = started.import_id;
        let mut parts = 0;
        for part in file.as_bytes().chunks(100 * 1024) {
            let part = AddImportPart { import_id, account_id: account, index: parts, data: STANDARD.encode(part) };
            self.ask(&part).await.map_err(failed)?;
            parts += 1;
        }
        self.ask(&SubmitImport { import_id, account_id: account, parts }).await.map_err(failed)?;
        let mut wait = Duration::from_millis(20);
        loop {
            let import = self.ask(&GetImport { import_id, account_id: account }).await.map_err(failed)?;
            match import.status {
                ImportViewStatus::Finished => break,
                ImportViewStatus::Failed => bail!("an address book was refused: {}", import.error.unwrap_or_default()),
                _ => tokio::time::sleep(wait).await,
            }
            wait = (wait * 2).min(Duration::from_secs(1));
        }
        progress.step();
        Ok(())
    }

    /// Waits until the network knows a person with all their contacts.
    pub async fn wait_for_degree(&self, account: Uuid, known: usize) -> Result<()> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let seen = match self.ask(&GetDegrees { account_id: account }).await {
                Ok(view) => view.degrees.first().map_or(0, |first| first.people as usize),
                // Not processed yet.
                Err(problem) if problem.status == 404 => 0,
                Err(problem) => return Err(failed(problem)),
            };
            if seen >= known {
                return Ok(());
            }
            if Instant::now() > deadline {
                let waited = SETTLING.as_secs();
                bail!("the network knows {seen} of {known} people around an account after {waited} s: see its log");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Sends a request and retries it with the same id while the service is busy, so that it takes effect once.
    pub async fn ask<R: events::Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };
        let mut tries = 0;
        loop {
            match self.requests.call(request, asking).await {
                Err(problem) if matches!(problem.status, 429 | 503 | 504) && tries < MOST_TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                answer => return answer,
            }
        }
    }
}

fn failed(problem: Problem) -> anyhow::Error {
    anyhow!("{problem}")
}
