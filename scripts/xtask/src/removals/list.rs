//! The safety mechanisms: where each is in the source, what goes wrong without it, and the test that guards it.

mod consuming;
mod messaging;
mod postgres;
mod service;
mod simulation;
mod stores;

/// One mechanism. To add one, give its present source text, the smallest change that disables it and still builds, and a
/// test that fails with that change.
pub struct Removal {
    /// Its name on the command line.
    pub name: &'static str,
    /// What goes wrong without it.
    pub without: &'static str,
    /// The file that contains it.
    pub file: &'static str,
    /// The source text that implements it; it occurs once in the file.
    pub find: &'static str,
    /// The replacement.
    pub replace: &'static str,
    /// The test that fails without it, one of `skeleton-tests`.
    pub test: &'static str,
}

/// The test that runs production code in a simulated world.
const SIMULATION: &str = "simulation::seeds::whatever_goes_wrong_every_event_has_its_effect_once";

const AREAS: [&[Removal]; 6] = [
    messaging::REMOVALS,
    consuming::REMOVALS,
    postgres::REMOVALS,
    stores::REMOVALS,
    service::REMOVALS,
    simulation::REMOVALS,
];

/// All mechanisms.
pub fn removals() -> impl Iterator<Item = &'static Removal> {
    AREAS.into_iter().flatten()
}
