//! Housekeeping continues after a failed run, and handlers can read the context of a message.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use accounts_events::Registered;
use events::Envelope;
use skeleton::{
    App, HandlerResult, Housekeeping, Postgres, Problem, Publish, Service, Subscriptions,
    store::postgres::Tx,
    telemetry::metrics_text,
    testing::{TestApp, eventually},
};
use uuid::Uuid;

use crate::probe;

const OFTEN: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_task_runs_at_the_start_and_again_after_each_period_even_if_a_run_fails_or_panics() {
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, other) = (runs.clone(), Arc::new(AtomicU32::new(0)));
    let other_counted = other.clone();
    let tasks = Housekeeping::new()
        .every(OFTEN, "sweep", move |app: App<Postgres>| {
            let run = counted.fetch_add(1, Ordering::Relaxed);
            assert_ne!(run, 1, "the second run panics before its first await");
            async move {
                app.store.query("select 1", &[]).await.map_err(|error| error.to_string())?;
                match run {
                    0 => Err("the first run fails".to_owned()),
                    2 => panic!("the third run panics"),
                    _ => Ok(()),
                }
            }
        })
        .every(Duration::from_secs(3600), "once", move |_| {
            other_counted.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Problem>(()) }
        });
    let app = TestApp::start(probe::service().housekeeping(tasks), &[]).await;

    eventually("ten runs", async || match runs.load(Ordering::Relaxed) {
        few if few < 10 => Err(few.to_string()),
        _ => Ok(()),
    })
    .await;

    let metrics = metrics_text();
    let count = |outcome: &str| {
        let line = metrics.lines().find(|line| line.contains("task=\"sweep\"") && line.contains(outcome)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let restarts = metrics.lines().find(|line| line.starts_with("parts_restarted_total") && line.contains("sweep"));
    assert_eq!((count("failed"), other.load(Ordering::Relaxed)), (1.0, 1));
    assert!(restarts.is_some_and(|line| line.ends_with(" 2")), "{restarts:?}");
    app.finish().await;
    let after_the_stop = runs.load(Ordering::Relaxed);
    tokio::time::sleep(5 * OFTEN).await;
    assert_eq!(runs.load(Ordering::Relaxed), after_the_stop);
}

type Seen = Arc<Mutex<Vec<(Option<Uuid>, i64)>>>;

async fn note(_: Registered, tx: &mut Tx) -> HandlerResult {
    let seen = (tx.message_id(), tx.sequence()?);
    tx.resource::<Seen>().lock().unwrap().push(seen);
    Ok(())
}

#[tokio::test]
async fn a_handler_is_told_the_id_and_the_sequence_of_its_message_and_one_without_is_parked() {
    let seen = Seen::default();
    let service = Service::named("contacts")
        .store(Postgres::migrated_by(&[]))
        .with(seen.clone())
        .consumes(Subscriptions::new().on(note));
    let app = TestApp::start(service, &[]).await;
    let registered = accounts_events::samples::registered();
    let numbered = Envelope { sequence: Some(7), ..app.world().envelope_for(&registered) };

    app.receives_in(&registered, &numbered).await;
    let unnumbered = Envelope { sequence: None, ..app.world().envelope_for(&registered) };
    let ending = app.receives_in(&registered, &unnumbered).await;

    assert_eq!(*seen.lock().unwrap(), [(Some(numbered.id), 7)]);
    assert_eq!(ending.outcome, "parked");
    let reason = app.parked().await.remove(0).reason;
    assert!(reason.contains("has no sequence"), "{reason}");
    app.finish().await;
}
