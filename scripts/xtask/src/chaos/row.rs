//! One row: a fault, and how it is shown what comes of it.

use std::time::Duration;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use super::{played::Played, stage::Stage};

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
