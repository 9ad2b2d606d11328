//! Tests of supervision.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::FutureExt;
use tokio::{sync::watch, time::Instant};

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
