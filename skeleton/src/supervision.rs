//! Supervision of the tasks that a service consists of.
//!
//! A task that panics, or returns although the service is not stopping, is restarted after a pause that doubles with
//! each consecutive failure: one second at first, a minute at most. After the third consecutive failure it counts as
//! failing, which the health of the process shows, until it has run for a minute.

use std::{
    collections::BTreeSet,
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::FutureExt;
use metrics::{counter, gauge};
use tokio::sync::watch;
use tracing::error;

use crate::{stop::Stop, telemetry};

/// The pause after a failure, and when failures are reset.
#[derive(Clone, Copy)]
struct Pace {
    /// The pause after the first failure.
    pause: Duration,
    /// The longest pause, and how long a task must run before its failures are reset.
    steady: Duration,
}

const PACE: Pace = Pace { pause: Duration::from_secs(1), steady: Duration::from_secs(60) };

/// The number of consecutive failures after which a task counts as failing.
const FAILING: u32 = 3;

/// The failing tasks. Clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    parts: Arc<Mutex<BTreeSet<Part>>>,
    finding: Arc<watch::Sender<Result<(), String>>>,
}

impl Failing {
    /// Shows the failing tasks in a check of the process's health.
    pub(crate) fn shown_by(finding: watch::Sender<Result<(), String>>) -> Self {
        drop(finding.send_replace(Ok(())));
        Self { parts: Arc::default(), finding: Arc::new(finding) }
    }

    fn set(&self, part: Part, is_failing: bool) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let has_changed = if is_failing { parts.insert(part) } else { parts.remove(&part) };
        if has_changed {
            gauge!("parts_failing", "part" => part.name).increment(if is_failing { 1.0 } else { -1.0 });
            let names: BTreeSet<_> = parts.iter().map(|part| part.name).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            let finding = if names.is_empty() { Ok(()) } else { Err(format!("failing repeatedly: {names}")) };
            drop(self.finding.send_replace(finding));
        }
    }
}

impl Default for Failing {
    /// Shown by the metric `parts_failing` alone.
    fn default() -> Self {
        Self::shown_by(watch::Sender::new(Ok(())))
    }
}

/// A supervised task. Several may have one name: each queue has its retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    name: &'static str,
    number: u64,
}

impl Part {
    fn new(name: &'static str) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // The metric exists before the first failure.
        gauge!("parts_failing", "part" => name).increment(0.0);
        Self { name, number: LAST.fetch_add(1, Relaxed) }
    }
}

/// Runs a task until the service stops, and restarts it if it fails.
pub(crate) async fn supervised<Out>(part: &'static str, failing: Failing, stop: Stop, start: impl Fn() -> Out)
where
    Out: Future<Output = ()>,
{
    supervised_at(PACE, part, failing, stop, start).await;
}

async fn supervised_at<Out>(pace: Pace, name: &'static str, failing: Failing, stop: Stop, start: impl Fn() -> Out)
where
    Out: Future<Output = ()>,
{
    let part = Part::new(name);
    let mut failures = 0;
    loop {
        // A service's code: it may panic before its first await as well.
        let started = panic::catch_unwind(AssertUnwindSafe(&start));
        let mut running = pin!(async { AssertUnwindSafe(started?).catch_unwind().await });
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = tokio::time::sleep(pace.steady), if failures > 0 => {
                failures = 0;
                failing.set(part, false);
                running.await
            }
        };
        if stop.is_stopped() {
            return;
        }
        failures += 1;
        note_failure(name, ended.is_err(), failures);
        failing.set(part, failures >= FAILING);
        tokio::select! {
            () = tokio::time::sleep(pace.after(failures)) => {}
            // Started once more all the same: committed messages still have to be sent.
            () = stop.stopped() => {}
        }
    }
}

fn note_failure(part: &'static str, has_panicked: bool, failures: u32) {
    let how = if has_panicked { "panicked" } else { "ended although the service is not stopping" };
    counter!("parts_restarted_total", "part" => part).increment(1);
    error!(part, how, failures, "a task of the service failed; restarting it");
    telemetry::report_bug(&format!("the task {part} has {how}"));
}

impl Pace {
    fn after(self, failures: u32) -> Duration {
        self.pause.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(self.steady)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tokio::time::Instant;

    use super::*;
    use crate::stop;

    /// A task that fails the given number of times, alternating between panic and return, and then runs until it is
    /// stopped.
    fn failing_task(times: u32, stop: Stop) -> (Arc<AtomicU32>, impl Fn() -> futures::future::BoxFuture<'static, ()>) {
        let starts = Arc::new(AtomicU32::new(0));
        let counted = starts.clone();
        let start = move || {
            let (number, stop) = (counted.fetch_add(1, Relaxed), stop.clone());
            assert!(number >= times || number % 2 == 0, "this time it panics");
            async move {
                if number >= times {
                    stop.stopped().await;
                }
            }
            .boxed()
        };
        (starts, start)
    }

    const QUICK: Pace = Pace { pause: Duration::from_millis(10), steady: Duration::from_millis(300) };

    #[tokio::test]
    async fn a_task_that_panics_or_returns_is_started_again_after_pauses_that_grow() {
        let (sender, stop) = stop::channel();
        let (starts, start) = failing_task(4, stop.clone());
        let (finding, mut found) = watch::channel(Err("not checked yet".to_owned()));
        let task = tokio::spawn(supervised_at(QUICK, "task", Failing::shown_by(finding), stop, start));
        let begun = Instant::now();

        drop(
            found
                .wait_for(|finding| finding.as_ref().is_err_and(|text| text.contains("task")))
                .await
                .expect("the sender is alive"),
        );
        assert!(begun.elapsed() >= Duration::from_millis(10 + 20), "{:?}", begun.elapsed());
        drop(found.wait_for(Result::is_ok).await.expect("the sender is alive"));

        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(10 + 20 + 40 + 80 + 300), "{took:?}");
        assert_eq!(starts.load(Relaxed), 5);
        sender.stop();
        task.await.expect("the task ends after the stop");
    }

    #[test]
    fn of_two_tasks_of_one_name_the_one_that_recovers_does_not_hide_the_other() {
        let failing = Failing::default();
        let found = failing.finding.subscribe();
        let (one, other) = (Part::new("retries"), Part::new("retries"));
        failing.set(one, true);
        failing.set(other, true);

        failing.set(one, false);

        assert_eq!(*found.borrow(), Err("failing repeatedly: retries".to_owned()));
        failing.set(other, false);
        assert_eq!(*found.borrow(), Ok(()));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        assert_eq!([1, 2, 3, 6, 7, 100].map(|failures| PACE.after(failures).as_secs()), [1, 2, 4, 32, 60, 60]);
    }
}
