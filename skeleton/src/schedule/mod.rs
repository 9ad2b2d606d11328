//! Schedules: at each due time one job is enqueued, once over all replicas.
//!
//! The transaction that enqueues the job also settles the due time, in one row of the store that only moves forward. So
//! replicas need no coordination, and a clock that jumps back or a replica that resumes late repeats nothing.

mod cron;
mod running;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use events::Job;
use uuid::Uuid;

use crate::{failure::Failure, store::Publish};

pub use cron::CronSchedule;
pub(crate) use running::{list, run};

/// The setting for the time zone of all schedules of a service; UTC by default.
const TIME_ZONE: &str = "time_zone";

/// The expression of a schedule that is never due.
const OFF: &str = "off";

/// What happens to due times that passed while no replica ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// They are skipped: a run that is more than a minute late does not happen.
    Skip,
    /// The newest of them runs.
    One,
    /// All of them run, up to this many of the newest.
    All(usize),
}

type Put<Tx> = Arc<dyn Fn(DateTime<Utc>, &mut Tx) -> Result<Uuid, Failure> + Send + Sync>;

/// The schedules of a service.
pub struct Schedules<Tx> {
    declared: Vec<Declared<Tx>>,
}

struct Declared<Tx> {
    name: &'static str,
    expression: &'static str,
    missed: Missed,
    put: Put<Tx>,
}

/// The schedules of a running service, with its settings applied.
pub(crate) struct Timetable<Tx> {
    schedules: Vec<Schedule<Tx>>,
}

struct Schedule<Tx> {
    name: &'static str,
    cron: CronSchedule,
    missed: Missed,
    put: Put<Tx>,
}

impl<Tx: Publish + 'static> Schedules<Tx> {
    /// No schedules.
    pub fn new() -> Self {
        Self { declared: Vec::new() }
    }

    /// Enqueues a job at the times of a cron expression of five fields, or six with seconds first. The job is built
    /// from its due time. `[schedules]` in the settings may give the name another expression, or `off` for none, and
    /// sets the `time_zone` of all.
    pub fn cron<J: Job>(
        mut self,
        name: &'static str,
        expression: &'static str,
        missed: Missed,
        job: impl Fn(DateTime<Utc>) -> J + Send + Sync + 'static,
    ) -> Self {
        let put = Arc::new(move |due_at, tx: &mut Tx| tx.enqueue(job(due_at)));
        self.declared.push(Declared { name, expression, missed, put });
        self
    }

    /// Applies the settings; returns every error, each with its name.
    pub(crate) fn planned(self, mut settings: BTreeMap<String, String>) -> Result<Timetable<Tx>, Vec<String>> {
        let mut errors = Vec::new();
        let zone_name = settings.remove(TIME_ZONE).unwrap_or_else(|| "UTC".to_owned());
        let zone = zone_name.parse::<Tz>().unwrap_or_else(|_| {
            errors.push(format!("[schedules] time_zone: {zone_name} is not a time zone: use one like Europe/Berlin"));
            Tz::UTC
        });
        let mut schedules = Vec::new();
        for Declared { name, expression, missed, put } in self.declared {
            let expression = settings.remove(name).unwrap_or_else(|| expression.to_owned());
            if expression.trim() == OFF {
                continue;
            }
            match CronSchedule::parse(&expression, zone) {
                Ok(cron) => schedules.push(Schedule { name, cron, missed, put }),
                Err(error) => errors.push(format!("[schedules] {name}: {error}")),
            }
        }
        errors.extend(settings.keys().map(|name| format!("[schedules] {name} is not a schedule of this service")));
        if errors.is_empty() { Ok(Timetable { schedules }) } else { Err(errors) }
    }
}

impl<Tx: Publish + 'static> Default for Schedules<Tx> {
    fn default() -> Self {
        Self::new()
    }
}
