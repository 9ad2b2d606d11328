//! The messaging in a simulated world: the production loops on an in-memory store and broker, with faults, crashes and
//! interleavings drawn from a seed. The same seed gives the same run, step by step.

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

/// The result of a run.
#[derive(Debug, PartialEq)]
pub struct Report {
    pub seed: u64,
    /// The violations.
    pub complaints: Vec<String>,
    /// Equal only if two runs were identical.
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
        complaints.push("the system does not become idle".to_owned());
    }
    Report { seed, complaints, fingerprint: run.fingerprint() }
}

/// The services' shared world, without replicas.
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

/// Injects faults, waits until the system is idle, and drops parked messages until none are left.
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

/// Runs seeds on two threads until one violates a promise. Returns the report of that one.
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
