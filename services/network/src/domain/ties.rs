//! How strong a tie is.
//!
//! A strength is the chance that an introduction over the tie works, so that the strength of a path is the product of
//! its ties. The figures are guesses in the right order, until outcomes of introductions are counted: that two people
//! list each other says more than any other sign we have, and no sign is certain. Recency and frequency, with decay,
//! will move a tie between these marks; what only they can give must fit below [`STRONGEST`].

/// Only one side has the other in its address book: as good as a coin.
pub const ONE_SIDED: f64 = 0.5;

/// Both sides have each other: four of five.
pub const BOTH_SIDED: f64 = 0.8;

/// The strongest tie there can be. The search for the best path leaves out what could not win even with such ties.
pub const STRONGEST: f64 = BOTH_SIDED;
