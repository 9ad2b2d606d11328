//! `cargo xtask`: developer commands besides building and testing.

#[macro_use]
mod output;
mod asker;
mod bench;
mod canary;
mod chaos;
mod copy;
mod demo;
mod events;
mod guide;
mod kills;
mod native;
mod packages;
mod page_table;
mod progress;
mod public;
mod removals;
mod rights;
mod rolling;
mod trial;
mod truth;
mod usage;
mod wait;

use std::process::ExitCode;

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
    /// Follow guides step by step in a copy of the repository.
    Guide(guide::Guide),
    /// Kill services and the broker while events flow, and count what was lost, doubled or out of order.
    Kills(kills::Kills),
    /// Inject faults into servers and services while events flow, and count what was lost, doubled or out of order.
    Chaos(chaos::Chaos),
    /// Upgrade the services one by one while events flow, and count what was lost, doubled or parked.
    Rollout(kills::Rollout),
    /// Restart all six services, replica by replica, under a steady load, and count what failed, was lost or doubled.
    Rolling(rolling::Rolling),
    /// Remove each safety mechanism, one at a time, from a copy of the repository: a named test must fail.
    Removals(removals::Removals),
    #[command(hide = true)]
    Tally(trial::Tally),
    #[command(hide = true)]
    Writer(chaos::Writer),
    /// Attempt forbidden actions with each service's credentials: all must be refused.
    Rights(rights::Rights),
    /// Send marked personal data through the running services, and search for it where it must not be.
    Canary(canary::Canary),
    /// Query the public API for distances and degrees of a loaded graph, and compare them with the known ones.
    Truth(truth::Truth),
    /// Check messages: compatibility, consumers, and the state of the broker.
    Events(events::Events),
    /// Measure the figures that the design sets targets for, each beside a baseline in the same run.
    Bench(bench::Bench),
    #[command(hide = true)]
    BenchProgram(bench::Program),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Events(events) => return events.run().await,
        Command::Demo(demo) => demo.run().await,
        Command::Edges => {
            demo::print_edges();
            Ok(())
        }
        Command::Canary(canary) => canary.run().await,
        Command::Rights(rights) => rights.run().await,
        Command::Guide(guide) => guide.run().await,
        Command::Kills(kills) => kills.run().await,
        Command::Chaos(chaos) => chaos.run().await,
        Command::Rollout(rollout) => rollout.run().await,
        Command::Rolling(rolling) => rolling.run().await,
        Command::Removals(removals) => removals.run().await,
        Command::Tally(tally) => tally.run().await,
        Command::Writer(writer) => writer.run().await,
        Command::Truth(truth) => truth.run().await,
        Command::Bench(bench) => bench.run().await,
        Command::BenchProgram(program) => program.run().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The causes, and no stack: an expected error is not a bug, whatever RUST_BACKTRACE says.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
