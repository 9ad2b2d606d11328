//! A row: a fault, and how its effect is shown.

use std::time::Duration;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use super::{played::Played, stage::Stage};

/// Plays a row on the stage.
pub type Play = for<'stage> fn(&'stage mut Stage) -> LocalBoxFuture<'stage, Result<Played>>;

/// A fault, with its number in docs/faults.md.
#[derive(Clone)]
pub struct Row {
    /// Its number.
    pub number: u32,
    /// The fault.
    pub title: &'static str,
    /// How its effect is shown.
    pub how: How,
    /// How long recovery may take, if limited.
    pub limit: Option<Duration>,
}

/// How the effect of a row is shown.
#[derive(Clone, Copy)]
pub enum How {
    /// Played on real processes while events flow.
    Played(Play),
    /// With tests.
    Tested(&'static [Test]),
}

/// A test: its program and its full name there.
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

    /// Sets the limit of the time to recover.
    pub fn within(self, seconds: u64) -> Self {
        Self { limit: Some(Duration::from_secs(seconds)), ..self }
    }

    /// Its tests, if it is a tested row.
    pub fn tests(&self) -> Option<&'static [Test]> {
        match self.how {
            How::Tested(tests) => Some(tests),
            How::Played(_) => None,
        }
    }
}
