//! Seeds: a thousand in each run, any number on demand, one to inspect, and those that have found a bug.

use std::env;

use super::{first_complaint, simulate, weather::Bug};

/// Seeds that have found a bug, now fixed, with its description.
const FOUND: &[(u64, &str)] = &[];

fn setting(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be an integer, not {text}")))
}

fn replay(seed: u64) -> String {
    format!(
        "KITH_SIM_SEED={seed} cargo test --workspace --test skeleton-tests -- --exact --nocapture \
         simulation::seeds::whatever_goes_wrong_every_event_has_its_effect_once"
    )
}

#[test]
fn whatever_goes_wrong_every_event_has_its_effect_once() {
    if let Some(seed) = setting("KITH_SIM_SEED") {
        let report = simulate(seed, None, true);
        assert!(report.complaints.is_empty(), "{:#?}", report.complaints);
        return;
    }
    let seeds = setting("KITH_SIM_SEEDS").unwrap_or(1000);

    if let Some(report) = first_complaint(0..seeds, None) {
        panic!("seed {}: {:#?}\nto see it: {}", report.seed, report.complaints, replay(report.seed));
    }
}

#[test]
fn what_was_found_once_stays_mended() {
    for (seed, what) in FOUND {
        assert_eq!(simulate(*seed, None, false).complaints, Vec::<String>::new(), "{what}: {}", replay(*seed));
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let fingerprints = |seed| [(); 2].map(|()| simulate(seed, None, false).fingerprint);

    for seed in 0..20 {
        let [first, second] = fingerprints(seed);
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first, simulate(seed + 1, None, false).fingerprint);
    }
}

#[test]
fn each_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        match first_complaint(0..300, Some(bug)) {
            Some(report) => println!("{bug:?}: seed {}: {}", report.seed, report.complaints[0]),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found in 300 seeds: {missed:?}");
}
