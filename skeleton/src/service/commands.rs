//! The command line that every service has: run it, inspect it, and handle parked messages.

mod past;

use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing::error;

use super::{
    Service, StartError,
    build::build,
    exit::{Exit, WRONG_SETTINGS},
    jobs::JobsCommand,
    output::CUT,
    sagas::SagaCommand,
    schedules::SchedulesCommand,
    sequences::SequencesCommand,
    topology_command::TopologyCommand,
};
use crate::{
    config::Settings,
    environment::Environment,
    parked::{self, Refused},
    rebuild::Rebuildable,
    store::Store,
    telemetry,
};

/// The exit status for an incomplete command: the same as clap's.
const WRONG_USE: u8 = 2;

/// A service of Kith.
#[derive(Parser)]
#[command(version = build())]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service (the default without a command).
    Run,
    /// Show the settings in force, secrets hidden, and check them.
    Config,
    /// Print the messages and fields that the service reads, and its topology on the broker; as JSON.
    Contract,
    /// Show or apply the service's topology on the broker.
    Topology {
        #[command(subcommand)]
        command: TopologyCommand,
    },
    /// Handle past events that were not handled before; continues where it was stopped.
    Replay(past::ReplayArguments),
    /// Rebuild the read model from its owners' snapshots; continues where it was stopped.
    Rebuild(super::RebuildOptions),
    /// Inspect and decide on parked messages.
    Parked {
        #[command(subcommand)]
        command: parked::Command,
    },
    /// Inspect sagas.
    Saga {
        #[command(subcommand)]
        command: SagaCommand,
    },
    /// Inspect and manage the service's jobs.
    Jobs {
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// Recover the sequence numbers of the service's events.
    Sequences {
        #[command(subcommand)]
        command: SequencesCommand,
    },
    /// Inspect the service's schedules.
    Schedules {
        #[command(subcommand)]
        command: SchedulesCommand,
    },
}

impl<S: Rebuildable> Service<S> {
    /// Runs the command line. Without a command: runs the service until it is stopped.
    pub async fn run(self) -> Exit {
        let about = format!("{}, a service of Kith.", self.name());
        let arguments = CommandLine::command().name(self.name()).about(about).get_matches();
        let asked = CommandLine::from_arg_matches(&arguments).unwrap_or_else(|error| error.exit());
        let command = asked.command.unwrap_or(Command::Run);
        let settings = match Settings::read(self.name(), self.defaults()) {
            Ok(settings) => settings,
            Err(error) => return Exit::failed(WRONG_SETTINGS, error),
        };
        match command {
            // Boxed, and so is the start: deep types of stores would slow the compiler down, or exceed its limits.
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
            Command::Replay(arguments) => Box::pin(past::replay(self, settings, arguments)).await,
            Command::Rebuild(options) => Box::pin(past::rebuild(self, settings, options)).await,
            Command::Parked { command } => Box::pin(self.decide(command, settings)).await,
            Command::Saga { command } => Box::pin(self.show_sagas(command, settings)).await,
            Command::Jobs { command } => Box::pin(self.jobs_command(command, settings)).await,
            Command::Sequences { command } => Box::pin(self.sequences_command(command, settings)).await,
            Command::Schedules { command } => Box::pin(self.schedules_command(command, settings)).await,
        }
    }

    async fn decide(mut self, command: parked::Command, settings: Settings) -> Exit {
        match self.checked(settings) {
            Ok(parts) => mend(&parts.store, command).await,
            Err(exit) => exit,
        }
    }

    async fn show_sagas(mut self, command: SagaCommand, settings: Settings) -> Exit {
        let Some(show) = self.sagas else { return Exit::failed(2, format!("{} has no sagas", self.name)) };
        let store = match self.checked(settings) {
            Ok(parts) => parts.store,
            Err(exit) => return exit,
        };
        match show(store, command).await {
            Ok(Some(text)) => {
                println!("{text}");
                Exit::well()
            }
            Ok(None) => Exit::failed(1, "no such saga"),
            Err(error) => Exit::failed(1, error),
        }
    }

    async fn run_until_stopped(self, settings: Settings) -> Exit {
        let telemetry = settings.section("log").map(|log| telemetry::start(self.name(), &log));
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return Exit::failed(1, "failed to install signal handlers");
        };
        let starting = Box::pin(self.start(settings, Environment::system()));
        let running = tokio::select! {
            started = starting => match started {
                Ok(running) => running,
                Err(error) => return not_started(&error),
            },
            _ = terminate.recv() => return Exit::well(),
            _ = interrupt.recv() => return Exit::well(),
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let clean = running.stop().await;
        // Sending pending reports blocks: use a thread that no other task needs.
        let _ =
            tokio::time::timeout(Duration::from_secs(2), tokio::task::spawn_blocking(move || drop(telemetry))).await;
        if clean { Exit::well() } else { Exit::failed(1, "shutdown did not finish in time") }
    }

    fn show_settings(mut self, settings: Settings) -> Exit {
        println!("{}", settings.to_text());
        self.checked(settings).map_or_else(|exit| exit, |_| Exit::well())
    }
}

/// Logs why the service does not start. Wrong settings also go to standard error, where each is on a line of its own.
fn not_started(error: &StartError) -> Exit {
    error!(%error, "the service cannot start");
    match error {
        StartError::Settings(_) => Exit::failed(WRONG_SETTINGS, error),
        // The log may be off.
        _ if !tracing::enabled!(tracing::Level::ERROR) => Exit::failed(1, error),
        _ => Exit::with(1),
    }
}

async fn mend<S: Store>(store: &S, command: parked::Command) -> Exit {
    match Box::pin(parked::run(store, command, &mut std::io::stdout())).await {
        Ok(()) => Exit::well(),
        Err(refused @ (Refused::NothingChosen | Refused::NotConfirmed(_) | Refused::NotSigned(_))) => {
            Exit::failed(WRONG_USE, refused)
        }
        Err(Refused::Unwritten(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::with(CUT),
        Err(refused) => Exit::failed(1, refused),
    }
}
