//! One row: a fault, and how it is shown what comes of it.

use std::time::Duration;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use super::stage::Stage;
use crate::trial::Ledger;

/// Plays a row on the stage.
pub type Play = for<'stage> fn(&'stage mut Stage) -> LocalBoxFuture<'stage, Result<Played>>;

/// A fault, by its number in docs/faults.md.
#[derive(Clone)]
pub struct Row {
    /// Its number.
    pub number: u32,
    /// What happens.
    pub title: &'static str,
    /// How it is shown.
    pub how: How,
    /// How long it may take to recover, where there is a limit.
    pub limit: Option<Duration>,
}

/// How a row is shown.
#[derive(Clone, Copy)]
pub enum How {
    /// Played on real processes while events flow.
    Played(Play),
    /// By tests.
    Tested(&'static [Test]),
}

/// A test: the program that it is in, and its full name there.
#[derive(Clone, Copy, Debug)]
pub struct Test(pub &'static str, pub &'static str);

/// What came of a row that was played.
#[derive(Default)]
pub struct Played {
    /// What was lost, doubled or out of order.
    pub ledger: Ledger,
    /// From the end of the trouble until an event that was written after it had come through.
    pub recovery: Duration,
    /// What else was measured, in words.
    pub figures: Vec<String>,
}

impl Row {
    /// A row that is played.
    pub fn played(number: u32, title: &'static str, play: Play) -> Self {
        Self { number, title, how: How::Played(play), limit: None }
    }

    /// A row that tests show.
    pub fn tested(number: u32, title: &'static str, tests: &'static [Test]) -> Self {
        Self { number, title, how: How::Tested(tests), limit: None }
    }

    /// It fails where it takes longer to recover.
    pub fn within(self, seconds: u64) -> Self {
        Self { limit: Some(Duration::from_secs(seconds)), ..self }
    }

    /// Its tests, where it is shown by them.
    pub fn tests(&self) -> Option<&'static [Test]> {
        match self.how {
            How::Tested(tests) => Some(tests),
            How::Played(_) => None,
        }
    }
}

impl Played {
    /// With another one, and what is to be said of that under its name: the longer of the two to recover.
    pub fn and(mut self, name: &str, other: Self) -> Self {
        self.figures.push(format!("{name} {:.1} s ({})", other.recovery.as_secs_f64(), other.figures.join("; ")));
        Self { ledger: self.ledger.and(other.ledger), recovery: self.recovery.max(other.recovery), ..self }
    }

    /// With one more figure.
    pub fn with(mut self, figure: impl Into<String>) -> Self {
        self.figures.push(figure.into());
        self
    }
}
