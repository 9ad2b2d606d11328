//! `cargo kith`: the daily command line of a team that owns a service.

use std::{env, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use kith_cli::{Generated, repository, services};

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
    /// Write the files that are generated from services/*/service.toml.
    Generate,
    /// Fail if a generated file is out of date.
    Check,
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
    let services = services(&root)?;
    match command {
        Command::Services => {
            for service in services {
                println!("{:<16} {:<14} {}", service.name, service.store.name(), service.admin_port);
            }
        }
        Command::Generate => {
            for file in Generated::all(&root, &services)? {
                if file.write(&root)? {
                    println!("wrote {}", file.path);
                }
            }
        }
        Command::Check => {
            let mut stale = Vec::new();
            for file in Generated::all(&root, &services)? {
                if !file.is_current(&root) {
                    stale.push(file.path);
                }
            }
            if !stale.is_empty() {
                eprintln!("error: out of date: {}; run `cargo kith generate`", stale.join(", "));
                return Ok(ExitCode::FAILURE);
            }
            println!("generated files are up to date");
        }
    }
    Ok(ExitCode::SUCCESS)
}
