//! The command line that every service has: run it, look at it, and mend what is parked.

use std::{
    process::{ExitCode, Termination},
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::{CommonSettings, Service, StartError, mistakes_of, sagas::SagaCommand};
use crate::{
    config::Settings,
    messaging::topology::Admin,
    store::{Filter, SetAside, State, Store},
    surroundings::Surroundings,
    telemetry,
};

/// How a service ended.
#[derive(Debug)]
pub struct Exit(ExitCode);

/// The settings are wrong: starting again will not help (`EX_CONFIG` of sysexits.h).
const WRONG_SETTINGS: u8 = 78;

impl Exit {
    fn well() -> Self {
        Self(ExitCode::SUCCESS)
    }

    fn failed(code: u8, error: impl std::fmt::Display) -> Self {
        eprintln!("{error}");
        Self(ExitCode::from(code))
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.0
    }
}

/// A service of Kith.
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service (what it does without a command).
    Run,
    /// Show the settings in force, secrets hidden, and check them.
    Config,
    /// Which messages the service reads and what of them, and what it needs on the broker; as JSON.
    Contract,
    /// What the service needs on the broker.
    Topology {
        #[command(subcommand)]
        command: TopologyCommand,
    },
    /// Messages set aside for a person to decide.
    Parked {
        #[command(subcommand)]
        command: ParkedCommand,
    },
    /// What goes on over many messages.
    Saga {
        #[command(subcommand)]
        command: SagaCommand,
    },
}

#[derive(Subcommand)]
enum TopologyCommand {
    /// Show it.
    Plan,
    /// Make it, as the broker's administrator.
    Apply {
        /// The broker's management API with name and password, `http://admin:secret@host:15672`.
        #[arg(long, env = "KITH_RABBIT_API")]
        api: String,
    },
}

#[derive(Subcommand)]
enum ParkedCommand {
    /// List them, oldest first.
    List {
        #[command(flatten)]
        filter: Filter,
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Show one whole.
    Show {
        /// The message's id.
        id: Uuid,
    },
    /// Handle them again, with all attempts before them.
    Redrive(Chosen),
    /// Forget them for good.
    Drop(Chosen),
}

#[derive(Args)]
struct Chosen {
    #[command(flatten)]
    filter: Filter,
    /// Choose all that are parked, where no filter is given.
    #[arg(long)]
    all: bool,
    /// Only say which it would be.
    #[arg(long)]
    dry_run: bool,
}

impl<S: Store> Service<S> {
    /// Runs the command line. Without a command: runs the service until it is told to stop.
    pub async fn run(self) -> Exit {
        let command = CommandLine::parse().command.unwrap_or(Command::Run);
        let settings = match Settings::read(self.name(), self.defaults()) {
            Ok(settings) => settings,
            Err(error) => return Exit::failed(WRONG_SETTINGS, error),
        };
        match command {
            // Boxed, and so is the start: deep types of stores would make the compiler slow, or give up.
            Command::Run => Box::pin(self.run_until_stopped(settings)).await,
            Command::Config => self.show_settings(settings),
            Command::Contract => match self.contract(&settings) {
                Ok(contract) => {
                    println!("{contract:#}");
                    Exit::well()
                }
                Err(error) => Exit::failed(WRONG_SETTINGS, error),
            },
            Command::Topology { command } => Box::pin(self.topology(command, settings)).await,
            Command::Parked { command } => match self.open_store(&settings) {
                Ok(store) => Box::pin(parked(&store, command)).await.unwrap_or_else(|error| Exit::failed(1, error)),
                Err(error) => Exit::failed(WRONG_SETTINGS, error),
            },
            Command::Saga { command } => Box::pin(self.show_sagas(command, &settings)).await,
        }
    }

    async fn show_sagas(self, command: SagaCommand, settings: &Settings) -> Exit {
        let Some(show) = self.sagas else { return Exit::failed(2, format!("{} has no sagas", self.name)) };
        let store = match self.open_store(settings) {
            Ok(store) => store,
            Err(error) => return Exit::failed(WRONG_SETTINGS, error),
        };
        match show(store, command).await {
            Ok(Some(text)) => {
                println!("{text}");
                Exit::well()
            }
            Ok(None) => Exit::failed(1, "there is no such saga"),
            Err(error) => Exit::failed(1, error),
        }
    }

    async fn run_until_stopped(self, settings: Settings) -> Exit {
        let telemetry = settings.section("log").map(|log| telemetry::start(self.name(), &log));
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return Exit::failed(1, "signals cannot be listened to");
        };
        let starting = Box::pin(self.start(settings, Surroundings::system()));
        let running = tokio::select! {
            started = starting => match started {
                Ok(running) => running,
                Err(error @ StartError::Settings(_)) => return Exit::failed(WRONG_SETTINGS, error),
                Err(error) => return Exit::failed(1, error),
            },
            _ = terminate.recv() => return Exit::well(),
            _ = interrupt.recv() => return Exit::well(),
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let clean = running.stop().await;
        // Sends what is left, which blocks: not on a thread that others need.
        let _ =
            tokio::time::timeout(Duration::from_secs(2), tokio::task::spawn_blocking(move || drop(telemetry))).await;
        if clean { Exit::well() } else { Exit::failed(1, "not everything was finished in time") }
    }

    fn show_settings(mut self, mut settings: Settings) -> Exit {
        println!("{}", settings.to_text());
        let mut mistakes = Vec::new();
        CommonSettings::read(&mut settings, self.has_http(), &mut mistakes);
        let mut context = crate::store::ServiceContext::new(self.name, Surroundings::system());
        self.provide(&mut settings, &mut mistakes, &mut context);
        match mistakes_of(&settings, mistakes) {
            Ok(()) => Exit::well(),
            Err(error) => Exit::failed(WRONG_SETTINGS, error),
        }
    }

    async fn topology(self, command: TopologyCommand, settings: Settings) -> Exit {
        let broker: crate::config::BrokerSettings = match settings.section("broker") {
            Ok(broker) => broker,
            Err(error) => return Exit::failed(WRONG_SETTINGS, error),
        };
        let topology = self.dealings(broker.partitions).topology();
        let TopologyCommand::Apply { api } = command else {
            println!("{topology}");
            return Exit::well();
        };
        let vhost = broker.url.rsplit_once('/').map_or("/", |(_, vhost)| vhost).replace("%2f", "/").replace("%2F", "/");
        let vhost = if vhost.is_empty() { "/" } else { &vhost };
        match Admin::new(&api, vhost).apply(&topology, broker.password.reveal()).await {
            Ok(()) => Exit::well(),
            Err(error) => Exit::failed(1, error),
        }
    }
}

async fn parked<S: Store>(store: &S, command: ParkedCommand) -> Result<Exit, crate::failure::StoreError> {
    match command {
        ParkedCommand::List { filter, limit } => {
            for message in store.list_set_aside(&only_parked(filter), limit).await? {
                println!("{}", line(&message));
            }
        }
        ParkedCommand::Show { id } => {
            let filter = Filter { id: Some(id), ..Filter::default() };
            let found = store.list_set_aside(&filter, 1).await?;
            let Some(message) = found.first() else {
                return Ok(Exit::failed(1, format!("no message {id} is set aside")));
            };
            println!("{}", whole(message));
        }
        ParkedCommand::Redrive(chosen) => {
            let Some(messages) = choose(store, &chosen).await? else { return Ok(nothing_chosen()) };
            let count = if chosen.dry_run { messages.len() as u64 } else { store.redrive(&messages).await? };
            println!("{} {count}", if chosen.dry_run { "would redrive" } else { "redriven:" });
        }
        ParkedCommand::Drop(chosen) => {
            let Some(messages) = choose(store, &chosen).await? else { return Ok(nothing_chosen()) };
            let count = if chosen.dry_run { messages.len() as u64 } else { store.drop_parked(&messages).await? };
            println!("{} {count}", if chosen.dry_run { "would drop" } else { "dropped:" });
        }
    }
    Ok(Exit::well())
}

fn nothing_chosen() -> Exit {
    Exit::failed(2, "say which messages: --id, --name, --subject, --reason, or --all")
}

fn only_parked(filter: Filter) -> Filter {
    Filter { state: Some(State::Parked), ..filter }
}

/// The messages meant; `None` where neither a filter nor `--all` is given.
async fn choose<S: Store>(store: &S, chosen: &Chosen) -> Result<Option<Vec<Uuid>>, crate::failure::StoreError> {
    let Filter { id, name, subject, reason, .. } = &chosen.filter;
    if !chosen.all && id.is_none() && name.is_none() && subject.is_none() && reason.is_none() {
        return Ok(None);
    }
    let found = store.list_set_aside(&only_parked(chosen.filter.clone()), 100_000).await?;
    if chosen.dry_run {
        for message in &found {
            println!("{}", line(message));
        }
    }
    Ok(Some(found.iter().map(|message| message.message).collect()))
}

fn line(message: &SetAside) -> String {
    let SetAside { message: id, name, attempts, first_failed_at, reason, .. } = message;
    format!("{id}  {name}  {attempts} attempts since {}  {reason}", first_failed_at.format("%Y-%m-%dT%H:%M:%SZ"))
}

/// Everything, with personal data masked.
fn whole(message: &SetAside) -> String {
    let data = serde_json::from_slice(&message.body)
        .map_or_else(|_| "not JSON".to_owned(), |data| format!("{:#}", events::masked(&message.name, &data)));
    let headers: String = message.headers.iter().map(|(name, value)| format!("\n  {name}: {value}")).collect();
    format!(
        "message {}\nname {}\nsubject {}\nqueue {}\nstate {}\nattempts {}\nfailed first {}, last {}\nreason {}\nheaders{headers}\ndata ({} bytes) {data}",
        message.message,
        message.name,
        message.subject.as_deref().unwrap_or("-"),
        message.queue,
        message.state.as_str(),
        message.attempts,
        message.first_failed_at,
        message.last_failed_at,
        message.reason,
        message.body.len(),
    )
}
