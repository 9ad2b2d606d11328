//! The messaging in a simulated world: the production loops on a store and a broker in memory, with faults, crashes and
//! interleavings that are drawn from a seed. The same seed is the same run, to the last step.

mod broker;
mod fate;
mod ledger;
mod memory;
mod replicas;
mod seeds;
mod services;
mod time;
mod weather;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

pub use self::{
    broker::{Broker, MemoryDeliveries, MemoryPublisher},
    ledger::Ledger,
    memory::{Database, Memory},
    weather::Life,
};
use self::{
    fate::Fate,
    replicas::Town,
    services::{CONSUMER, PRODUCER},
    time::{Run, locked},
    weather::{Bug, Weather},
};

/// How a run ended.
#[derive(Debug, PartialEq)]
pub struct Report {
    pub seed: u64,
    /// What was promised and not kept.
    pub complaints: Vec<String>,
    /// Equal only where two runs were.
    pub fingerprint: u64,
}

/// Runs one seed.
pub fn simulate(seed: u64, bug: Option<Bug>, prints: bool) -> Report {
    let run = Run::of(seed, prints);
    let ledger = Arc::new(Ledger::default());
    let town = founded(&run, &ledger, Weather::of(seed, bug));
    run.note(format_args!("{:?}", town.weather.odds()));
    let rested = Arc::new(Mutex::new(None));
    let is_over = Arc::new(AtomicBool::new(false));
    run.spawn(None, story(town.clone(), ledger.clone(), rested.clone(), is_over.clone()));

    let came_to_its_end = run.until(Duration::from_secs(7200), || is_over.load(Relaxed) || !ledger.is_clean());

    let mut complaints = ledger.complaints(&[&town.contacts, &town.network]);
    if complaints.is_empty() && (!came_to_its_end || *locked(&rested) != Some(true)) {
        complaints.push("it does not come to rest".to_owned());
    }
    Report { seed, complaints, fingerprint: run.fingerprint() }
}

/// The services' town, with nobody in it yet.
fn founded(run: &Arc<Run>, ledger: &Arc<Ledger>, weather: Weather) -> Arc<Town> {
    let broker = Broker::new(ledger);
    broker.bind(&format!("{PRODUCER}.events"), &services::of_contacts().bindings);
    broker.bind(&format!("{PRODUCER}.jobs"), &[services::jobs().1]);
    broker.bind(&format!("{CONSUMER}.events"), &services::of_network().bindings);
    Arc::new(Town {
        run: run.clone(),
        weather: Arc::new(weather),
        broker,
        contacts: Database::of(PRODUCER, ledger),
        network: Database::of(CONSUMER, ledger),
        wishes: Mutex::new(fate::wishes(|end| run.draw(end)).into()),
        suspect_after: if run.happens(125) { 3 } else { 1000 },
        prefetch: 1 + run.draw(8) as usize,
        batch: 1 + run.draw(5) as usize,
    })
}

/// Faults, rest, and a person who drops what is parked, until nothing is.
async fn story(town: Arc<Town>, ledger: Arc<Ledger>, rested: Arc<Mutex<Option<bool>>>, is_over: Arc<AtomicBool>) {
    let fate = Fate::of(&town);
    if town.run.happens(200) {
        let queue = format!("{CONSUMER}.events");
        ledger.unreadable(town.broker.put_unreadable(&queue, b"{]"));
    }
    fate.clone().befalls().await;
    let mut all_rests = fate.comes_to_rest().await;
    while all_rests && ledger.complaints(&[&town.contacts, &town.network]).is_empty() && fate.drop_parked().await {
        all_rests = fate.comes_to_rest().await;
    }
    *locked(&rested) = Some(all_rests);
    is_over.store(true, Relaxed);
}

/// Runs seeds on two threads until one of them is not as promised. Returns that one's report.
pub fn first_complaint(seeds: std::ops::Range<u64>, bug: Option<Bug>) -> Option<Report> {
    let next = AtomicUsize::new(0);
    let found: Mutex<Option<Report>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while locked(&found).is_none() {
                    let seed = seeds.start + next.fetch_add(1, Relaxed) as u64;
                    if seed >= seeds.end {
                        return;
                    }
                    let report = simulate(seed, bug, false);
                    if !report.complaints.is_empty() {
                        locked(&found).get_or_insert(report);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
