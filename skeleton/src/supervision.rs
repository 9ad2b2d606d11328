//! Supervision of the tasks that a service consists of.
//!
//! A task that panics, or returns although the service is not stopping, is restarted after a pause that doubles with
//! each consecutive failure: one second at first, a minute at most. After the third consecutive failure it counts as
//! failing, which the health of the process shows, until it has run for a minute.

mod failing;
mod pace;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::pin,
};

use futures::FutureExt;
use metrics::counter;
use tracing::error;

pub(crate) use self::failing::Failing;
use self::{
    failing::Part,
    pace::{PACE, Pace},
};
use crate::{stop::Stop, telemetry};

/// The number of consecutive failures after which a task counts as failing.
const FAILING: u32 = 3;

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
