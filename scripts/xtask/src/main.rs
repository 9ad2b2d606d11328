//! `cargo xtask`: what developers run beside building and testing.

mod asker;
mod bench;
mod catalogue;
mod demo;
mod kills;
mod native;
mod rights;
mod truth;

use clap::{Parser, Subcommand};

/// The developer's command line of Kith.
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load a demo network through the services' own messages.
    Demo(demo::Demo),
    /// Print the ties of the made-up network, `a b` on each line.
    Edges,
    /// Kill services and the broker while events flow, and count what was lost or doubled.
    Kills(kills::Kills),
    #[command(hide = true)]
    Tally(kills::Tally),
    /// Try, with each service's credentials, what it must not be able to do: each must be refused.
    Rights(rights::Rights),
    /// Ask the public API for distances and degrees of a loaded graph, and hold them against the truth.
    Truth(truth::Truth),
    /// Build the catalogue of the messages: a site, and AsyncAPI documents.
    Catalogue(catalogue::Catalogue),
    /// Measure what the design asks for, each beside a baseline in the same run.
    Bench(bench::Bench),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match CommandLine::parse().command {
        Command::Demo(demo) => demo.run().await,
        Command::Edges => {
            demo::print_edges();
            Ok(())
        }
        Command::Catalogue(catalogue) => catalogue.run(),
        Command::Rights(rights) => rights.run().await,
        Command::Kills(kills) => kills.run().await,
        Command::Tally(tally) => tally.run().await,
        Command::Truth(truth) => truth.run().await,
        Command::Bench(bench) => bench.run().await,
    }
}
