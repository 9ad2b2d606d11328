//! How far a rebuild is, and what it has found.

use std::{fmt, ops::AddAssign};

/// What a rebuild has found to be otherwise than its owner has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Things that were missing.
    pub missing: u64,
    /// Things that were there in another state.
    pub different: u64,
    /// Things that the owner does not have.
    pub surplus: u64,
}

impl AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.missing += other.missing;
        self.different += other.different;
        self.surplus += other.surplus;
    }
}

/// How far a rebuild is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// What it does: `filling contacts`.
    pub step: String,
    /// How many slices of that are done.
    pub slices: usize,
    /// Of how many.
    pub of_slices: usize,
    /// How many things were looked at.
    pub things: u64,
    /// What was otherwise.
    pub found: Found,
    /// Whether it is done.
    pub finished: bool,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, slices, of_slices, things, found, .. } = self;
        write!(formatter, "{step}: {slices} of {of_slices} slices, {things} things so far")?;
        if *found == Found::default() { Ok(()) } else { write!(formatter, "; {found}") }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, different, surplus } = self;
        write!(formatter, "{missing} missing, {different} different, {surplus} too many")
    }
}
