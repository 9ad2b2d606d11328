//! The strength of ties.
//!
//! A strength is the chance that an introduction over the tie succeeds, so the strength of a path is the product of its
//! ties. The figures are guesses, in the right order, until outcomes of introductions are counted. That two people list
//! each other says more than any other available sign, and no sign is certain. Recency and frequency, with decay, will
//! move a tie between these values; what only they can add must fit below [`STRONGEST`].

/// Only one side has the other in its address book: an even chance.
pub const ONE_SIDED: f64 = 0.5;

/// Both sides have each other: four in five.
pub const BOTH_SIDED: f64 = 0.8;

/// The strongest possible tie. The search for the best path leaves out what could not win even with such ties.
pub const STRONGEST: f64 = BOTH_SIDED;
