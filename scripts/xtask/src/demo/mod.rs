//! Loads a demo network: accounts are registered and contacts imported through the services' own messages.

mod firms;
mod loader;
mod made;
mod names;
mod people;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;

pub use people::{Person, plausible};

/// How many people the made-up network has.
const PEOPLE: u32 = 500;

/// Load a demo network through the services' own messages.
#[derive(Args)]
pub struct Demo {
    /// A file with `a b` on each line: the numbers of two people who know each other. By default, a network is made up.
    edges: Option<PathBuf>,
    /// How many people the made-up network has.
    #[arg(long, default_value_t = PEOPLE)]
    people: u32,
}

/// A network to load: people, and who knows whom (both ways).
pub struct Network {
    /// The people.
    pub people: Vec<Person>,
    /// Pairs of indices into `people`.
    pub ties: Vec<(usize, usize)>,
}

impl Demo {
    /// Loads the network.
    pub async fn run(self) -> Result<()> {
        let network = match &self.edges {
            Some(path) => from_file(path)?,
            None => made::network(self.people),
        };
        loader::load(&network).await
    }
}

/// Prints the ties of the made-up network, in the form that `demo` reads.
pub fn print_edges() {
    let network = made::network(PEOPLE);
    for (one, other) in &network.ties {
        println!("{} {}", network.people[*one].number, network.people[*other].number);
    }
}

/// Reads a file with two numbers per line; empty lines and lines that begin with # are skipped.
fn from_file(path: &Path) -> Result<Network> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut pairs = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut numbers =
            line.split([' ', '\t', ',']).map(str::trim).filter(|word| !word.is_empty()).map(str::parse::<u64>);
        let (Some(Ok(one)), Some(Ok(other))) = (numbers.next(), numbers.next()) else {
            bail!("{}: line {}: expected two numbers", path.display(), number + 1);
        };
        if one != other {
            pairs.insert((one.min(other), one.max(other)));
        }
    }
    let numbers: Vec<u64> =
        pairs.iter().flat_map(|(one, other)| [*one, *other]).collect::<BTreeSet<_>>().into_iter().collect();
    let place = |number: u64| numbers.binary_search(&number).unwrap_or_default();
    let ties = pairs.iter().map(|(one, other)| (place(*one), place(*other))).collect();
    let people = numbers.iter().map(|number| people::plausible(*number)).collect();
    Ok(Network { people, ties })
}
