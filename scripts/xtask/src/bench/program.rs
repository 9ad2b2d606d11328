//! The programs that `scripts/bench` runs in their own processes: services of the skeleton, and handwritten ones.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use lapin::{Connection, ConnectionProperties};
use skeleton::{
    Environment, Postgres, Service, Settings,
    config::LogSettings,
    telemetry,
    testing::{Servers, World, broker_password},
};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    LOG_FILTER, by_hand,
    counting::{self, Way},
    things, things_by_hand,
};

/// The variables with the servers' addresses, for a program without the skeleton.
const AMQP: &str = "BENCH_AMQP";
const POSTGRES: &str = "BENCH_POSTGRES";

/// Run one of the bench's programs until it is stopped.
#[derive(Args)]
pub struct Program {
    kind: Kind,
}

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Counts messages; the handler awaits its statement.
    CountWaiting,
    /// Counts messages; the statement is sent with the commit.
    CountLater,
    /// The same while the relay publishes the results.
    CountRelaying,
    /// The handwritten counter, in batches.
    CountByHand,
    /// The handwritten counter, one message per transaction.
    CountSinglyByHand,
    /// Stores things that arrive over HTTP and publishes them.
    Things,
    /// The handwritten version.
    ThingsByHand,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CountWaiting => "count-waiting",
            Self::CountLater => "count-later",
            Self::CountRelaying => "count-relaying",
            Self::CountByHand => "count-by-hand",
            Self::CountSinglyByHand => "count-singly-by-hand",
            Self::Things => "things",
            Self::ThingsByHand => "things-by-hand",
        }
    }

    /// The service of the skeleton, if it is one.
    pub fn service(self) -> Option<Service<Postgres>> {
        match self {
            Self::CountWaiting => Some(counting::service(Way::Waiting)),
            Self::CountLater => Some(counting::service(Way::Later)),
            Self::CountRelaying => Some(counting::service(Way::Relaying)),
            Self::Things => Some(things::service()),
            Self::CountByHand | Self::CountSinglyByHand | Self::ThingsByHand => None,
        }
    }
}

impl Program {
    /// Runs it.
    pub async fn run(self) -> Result<()> {
        if let Some(service) = self.kind.service() {
            return run_service(service).await;
        }
        tokio::select! {
            ended = by_itself(self.kind) => ended,
            told = stop_signal() => told,
        }
    }
}

async fn by_itself(kind: Kind) -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (amqp, postgres) = (variable(AMQP)?, variable(POSTGRES)?);
    let connection = Connection::connect(&amqp, ConnectionProperties::default()).await?;
    match kind {
        Kind::CountByHand => by_hand::Lane::open(&postgres).await?.work_off_in_batches(&connection).await,
        Kind::CountSinglyByHand => by_hand::Lane::open(&postgres).await?.work_off_singly(&connection).await,
        _ => things_by_hand::serve(&connection, &postgres).await,
    }
}

/// Runs it like a service's own program, with settings from the environment.
async fn run_service(service: Service<Postgres>) -> Result<()> {
    let settings = Settings::read(service.name(), service.defaults())?;
    let _telemetry =
        telemetry::start(service.name(), &LogSettings { filter: LOG_FILTER.to_owned(), sentry_dsn: "".into() });
    let running = service.start(settings, Environment::system()).await?;
    stop_signal().await?;
    running.stop().await;
    Ok(())
}

async fn stop_signal() -> Result<()> {
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}

/// The settings of a service in a world, with the settings of its store.
pub fn settings_of(world: &World, service: &str, store: &[(&'static str, String)]) -> Vec<(String, String)> {
    let prefix = service.to_uppercase();
    let mut settings = vec![
        (format!("{prefix}__BROKER__URL"), world.amqp_url(service)),
        (format!("{prefix}__BROKER__PASSWORD"), broker_password(service)),
        (format!("{prefix}__ADMIN__ADDRESS"), "127.0.0.1:0".to_owned()),
        ("KITH_RABBIT_API".to_owned(), Servers::from_env().rabbit_api),
    ];
    settings
        .extend(store.iter().map(|(key, value)| (format!("{prefix}__STORE__{}", key.to_uppercase()), value.clone())));
    settings
}

/// The settings of a program without the skeleton.
pub fn settings_by_hand(amqp: String, postgres: String) -> Vec<(String, String)> {
    vec![(AMQP.to_owned(), amqp), (POSTGRES.to_owned(), postgres)]
}
