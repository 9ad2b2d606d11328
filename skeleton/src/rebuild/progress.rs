//! The progress of a rebuild, and the differences it has found.

use std::{fmt, ops::AddAssign};

/// The differences that a rebuild has found between the read model and its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Entities that were missing.
    pub missing: u64,
    /// Entities that had another state.
    pub different: u64,
    /// Entities that the owner does not have.
    pub surplus: u64,
}

impl AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.missing += other.missing;
        self.different += other.different;
        self.surplus += other.surplus;
    }
}

/// The progress of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The current step: `filling contacts`.
    pub step: String,
    /// How many slices of the step are done.
    pub slices: usize,
    /// How many slices the step has.
    pub of_slices: usize,
    /// How many entities were examined.
    pub things: u64,
    /// The differences.
    pub found: Found,
    /// Whether it is done.
    pub finished: bool,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, slices, of_slices, things, found, finished } = self;
        formatter.write_str(step)?;
        if *of_slices == 0 && !finished {
            // Nothing was compared yet.
            return Ok(());
        }
        write!(formatter, ": {slices} of {of_slices} slices, {things} items compared: {found}")
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, different, surplus } = self;
        write!(formatter, "{missing} missing, {different} different, {surplus} surplus")
    }
}
