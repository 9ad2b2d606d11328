//! The progress of a rebuild, and the differences it has found.

use std::{fmt, ops::AddAssign};

use uuid::Uuid;

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

/// A difference between the read model and its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The kind of entity: `contacts`.
    pub things: &'static str,
    /// The entity.
    pub id: Uuid,
    /// The sequence of its state in the read model, if it is there.
    pub here: Option<i64>,
    /// The sequence of its state at the owner, if it has it.
    pub there: Option<i64>,
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
    /// Some of them, the first of each kind of entity: from a dry run.
    pub differences: Vec<Difference>,
    /// How often both sides of a slice were compared again and still differed.
    pub attempts: u32,
    /// Whether it is done.
    pub finished: bool,
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, slices, of_slices, things, found, finished, attempts, differences: _ } = self;
        formatter.write_str(step)?;
        if *of_slices == 0 && !finished {
            // Nothing was compared yet.
            return Ok(());
        }
        write!(formatter, ": {slices} of {of_slices} slices; in all steps, {things} items compared: {found}")?;
        if *attempts > 0 {
            write!(formatter, "; a slice still differs after {attempts} more attempts")?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { things, id, here, there } = self;
        match (here, there) {
            (None, _) => write!(formatter, "missing here: {things} {id}"),
            (_, None) => write!(formatter, "surplus here: {things} {id}"),
            (Some(here), Some(there)) => {
                write!(formatter, "different: {things} {id}, after event {here} here, after event {there} at the owner")
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, different, surplus } = self;
        write!(formatter, "{missing} missing, {different} different, {surplus} surplus")
    }
}
