//! Loads a network: registers all people, imports their contacts, and waits until the network service knows them all.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use skeleton::stop;
use uuid::Uuid;

use super::Network;
use crate::{asker::Asker, progress::Progress};

/// The number of concurrent requests.
const AT_ONCE: usize = 16;

/// The timeout of a reply while all requests run at once.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Loads a network; loading it again changes nothing.
pub async fn load(network: &Network) -> Result<()> {
    let began = Instant::now();
    let (stopper, stop) = stop::channel();
    let asking = Asker::connect(TIMEOUT, stop).await?;
    println!("{} people, {} ties", network.people.len(), network.ties.len());

    let progress = Progress::new("accounts", network.people.len());
    let accounts: Vec<Uuid> = stream::iter(&network.people)
        .map(|person| asking.account_of(person, &progress))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;

    let mut known: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); network.people.len()];
    for (one, other) in &network.ties {
        known[*one].insert(*other);
        known[*other].insert(*one);
    }
    let progress = Progress::new("address books", network.people.len());
    stream::iter(accounts.iter().zip(&known))
        .map(|(account, known)| asking.import(*account, known.iter().map(|place| &network.people[*place]), &progress))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;

    let progress = Progress::new("people linked", network.people.len());
    for (account, known) in accounts.iter().zip(&known) {
        asking.wait_for_degree(*account, known.len()).await?;
        progress.step();
    }
    stopper.stop();
    println!("loaded in {} s", began.elapsed().as_secs());
    Ok(())
}
