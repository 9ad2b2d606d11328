//! The schedule loop of a replica: finds due times and competes with other replicas to settle them.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::counter;
use tracing::{info, warn};

use super::{Missed, Schedule, Timetable};
use crate::{
    failure::{Failure, StoreError},
    stop::Stop,
    store::{
        ScheduleRuns, ServiceContext, Transaction,
        schedules::{NoteRun, Run},
    },
};

/// How often the clock is read. Not a sleep until the next due time: a clock can jump.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The delay after an error of the store.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// A due time that is later than this was missed.
const ON_TIME: TimeDelta = TimeDelta::minutes(1);

/// Settles due times until the stop.
pub(crate) async fn run<S: ScheduleRuns>(
    store: S,
    service: Arc<ServiceContext>,
    timetable: Arc<Timetable<S::Tx>>,
    stop: Stop,
) where
    S::Tx: NoteRun,
{
    if timetable.schedules.is_empty() {
        return stop.stopped().await;
    }
    // The time up to which each schedule is settled, as far as this replica knows; empty before the first read.
    let mut settled: Vec<Option<DateTime<Utc>>> = vec![None; timetable.schedules.len()];
    while !stop.is_stopped() {
        let mut wait = BETWEEN_LOOKS;
        for (schedule, settled) in timetable.schedules.iter().zip(&mut settled) {
            if let Err(error) = look(&store, &service, schedule, settled).await {
                warn!(schedule = schedule.name, %error, "failed to process a schedule; retrying");
                wait = AFTER_TROUBLE;
            }
        }
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Settles the due times of one schedule.
async fn look<S: ScheduleRuns>(
    store: &S,
    service: &Arc<ServiceContext>,
    schedule: &Schedule<S::Tx>,
    settled: &mut Option<DateTime<Utc>>,
) -> Result<(), Failure>
where
    S::Tx: NoteRun,
{
    let now = service.environment.now();
    let known = match *settled {
        Some(known) => known,
        None => store.adopt(schedule.name, &schedule.cron.to_text(), now).await?,
    };
    *settled = Some(known);
    if schedule.cron.next_after(known).is_none_or(|next| next > now) {
        return Ok(());
    }
    // Another replica may have settled more since.
    let known = store.settled_until(schedule.name).await?.unwrap_or(known);
    for (due_at, is_to_run) in due_times(schedule, known, now) {
        settle(store, service, schedule, due_at, is_to_run).await?;
    }
    *settled = store.settled_until(schedule.name).await?;
    Ok(())
}

/// The due times to settle, oldest first, and whether each is to run.
fn due_times<Tx>(schedule: &Schedule<Tx>, after: DateTime<Utc>, now: DateTime<Utc>) -> Vec<(DateTime<Utc>, bool)> {
    let most = match schedule.missed {
        Missed::Skip | Missed::One => 1,
        Missed::All(limit) => limit.max(1),
    };
    let is_to_run = |due_at| schedule.missed != Missed::Skip || now - due_at <= ON_TIME;
    schedule.cron.between(after, now, most).into_iter().map(|due_at| (due_at, is_to_run(due_at))).collect()
}

/// Settles a due time, with its job if it is to run, unless another replica has.
async fn settle<S: ScheduleRuns>(
    store: &S,
    service: &Arc<ServiceContext>,
    schedule: &Schedule<S::Tx>,
    due_at: DateTime<Utc>,
    is_to_run: bool,
) -> Result<(), Failure>
where
    S::Tx: NoteRun,
{
    let mut tx = store.begin(service, &[]).await?;
    let job = if is_to_run { Some((schedule.put)(due_at, &mut tx)?) } else { None };
    let run = Run { due_at, noted_at: service.environment.now(), job };
    if !tx.note_run(schedule.name, &run).await? {
        tx.rollback().await;
        return Ok(());
    }
    tx.commit().await?;
    let outcome = if is_to_run { "run" } else { "missed" };
    counter!("schedule_runs_total", "schedule" => schedule.name, "outcome" => outcome).increment(1);
    info!(schedule = schedule.name, %due_at, outcome, "a schedule was due");
    Ok(())
}

/// One line per schedule: its cron expression, its last run and its next.
pub(crate) async fn list<S: ScheduleRuns>(
    store: &S,
    timetable: &Timetable<S::Tx>,
    now: DateTime<Utc>,
) -> Result<String, StoreError>
where
    S::Tx: NoteRun,
{
    let mut lines = Vec::new();
    for schedule in &timetable.schedules {
        let (name, cron) = (schedule.name, schedule.cron.to_text());
        let settled = store.settled_until(name).await?.map_or(now, |settled| settled.max(now));
        let next = schedule.cron.next_after(settled).map_or_else(|| "never".to_owned(), in_words);
        let last = match store.last_run(name).await? {
            Some(Run { due_at, job: Some(job), .. }) => format!("{} as job {job}", in_words(due_at)),
            _ => "never".to_owned(),
        };
        lines.push(format!("{name}  {cron}  last {last}  next {next}"));
    }
    Ok(lines.join("\n"))
}

fn in_words(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
