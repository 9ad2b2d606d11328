//! `cargo kith`: the daily command line of a team that owns a service.

mod commands;

use std::{env, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use kith_cli::repository;

/// The daily command line of a team that owns a service.
#[derive(Parser)]
#[command(name = "cargo kith", bin_name = "cargo kith")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the services, with their stores and admin ports.
    Services,
    /// Make a new service from the template.
    NewService(commands::NewService),
    /// Write the files that are generated from services/*/service.toml.
    Generate,
    /// Fail if a generated file is out of date.
    Check,
    /// Print the log lines of all services in the order of their times.
    Logs(commands::Logs),
}

fn main() -> ExitCode {
    // Cargo runs `cargo-kith kith ...`; the alias of this repository runs `cargo-kith ...`.
    let mut arguments: Vec<_> = env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "kith") {
        arguments.remove(1);
    }
    match run(CommandLine::parse_from(arguments).command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let root = repository(&env::current_dir()?)?;
    match command {
        Command::Services => commands::list(&root),
        Command::NewService(new) => new.run(&root),
        Command::Generate => commands::generate(&root),
        Command::Check => commands::check(&root),
        Command::Logs(logs) => logs.run(&root),
    }
}
