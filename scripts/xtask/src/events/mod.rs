//! `cargo xtask events`: checks messages, from their files and on a running broker.

mod broker;
mod contracts;
mod seen;

use std::{path::PathBuf, process::ExitCode};

use ::contracts::{Contracts, MessageName};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::native::repository;

/// Check messages: compatibility, consumers, and the state of the broker. See docs/schema-checks.md.
#[derive(Args)]
pub struct Events {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare two schema files: exit status 0 if compatible both ways, 1 if not, 2 if a file is not a schema.
    Compat {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        /// The schema in use.
        old: PathBuf,
        /// The new schema.
        new: PathBuf,
    },
    /// Check all messages: released files, versions, and the fields that services read.
    Check {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        /// Also print the notes, which need no action.
        #[arg(long)]
        verbose: bool,
    },
    /// Write the contract of each built service into its folder.
    Contracts(contracts::Write),
    /// Add every new schema file to events/released.lock; a released file never changes.
    Release {
        /// Only list the files.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the consumers of a message or of one of its fields.
    Consumers {
        /// The message, `contacts.contact-added.v1`.
        message: MessageName,
        /// The field, `/name` or `/emails/*`.
        field: Option<String>,
    },
    /// List the services that still need a message: exit status 0 if there are none.
    CanRemove {
        /// The message, `contacts.contact-added.v1`.
        message: MessageName,
        /// Check only the code, not the broker.
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        broker: broker::Address,
    },
    Seen(seen::Look),
    /// Compare the topology that the services need with that of the broker: exit status 0 if they match.
    Drift {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        broker: broker::Address,
    },
}

impl Events {
    /// Runs the command. Returns 0 on success, 1 if there are findings, 2 on an error.
    pub async fn run(self) -> ExitCode {
        match self.command.run().await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
        }
    }
}

impl Command {
    async fn run(self) -> Result<bool> {
        match self {
            Self::Compat { json, old, new } => {
                let told = ::contracts::compare_files(&old, &new)?;
                if json {
                    print_json(&told)?
                } else {
                    print!("{}", ::contracts::comparison_text(&told))
                }
                Ok(told.full())
            }
            Self::Check { json, verbose } => {
                let report = ::contracts::check_repository(&repository())?;
                match (json, verbose) {
                    (true, _) => print_json(&report)?,
                    (false, true) => println!("{report}"),
                    (false, false) => println!("{}", report.summary()),
                }
                Ok(report.ok())
            }
            Self::Contracts(write) => write.run().await,
            Self::Release { dry_run } => {
                let release = ::contracts::release(&repository(), dry_run)?;
                println!("{release}");
                Ok(release.ok())
            }
            Self::Consumers { message, field } => {
                let contracts = Contracts::read(&repository())?;
                println!("{}", ::contracts::consumers_text(&contracts, &message, field.as_deref())?);
                Ok(true)
            }
            Self::CanRemove { message, offline, broker } => can_remove(&message, offline, &broker).await,
            Self::Seen(look) => look.run().await,
            Self::Drift { json, broker } => drift(json, &broker).await,
        }
    }
}

async fn can_remove(message: &MessageName, offline: bool, address: &broker::Address) -> Result<bool> {
    let contracts = Contracts::read(&repository())?;
    let broker = if offline { None } else { Some(address.ask().await?) };
    let removal = ::contracts::can_remove(&contracts, message, broker.as_ref())?;
    println!("{removal}");
    Ok(removal.ok())
}

async fn drift(json: bool, address: &broker::Address) -> Result<bool> {
    let found = ::contracts::drift(&Contracts::read(&repository())?, &address.ask().await?);
    if json {
        print_json(&serde_json::json!({ "drift": found }))?;
    } else if found.is_empty() {
        println!("the broker matches the topology that the services need");
    } else {
        found.iter().for_each(|drift| println!("{drift}"));
    }
    Ok(found.is_empty())
}

fn print_json(told: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(told)?);
    Ok(())
}
