//! Tests of services whose clocks differ.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use contacts_events::{ContactView, GetContact};
use skeleton::{
    Environment, HandlerResult, Postgres, ReadContext, RequestHandlers, RequestOptions, Requests, Service,
    messaging::rabbit::RabbitPublisher,
    stop,
    store::Decisions,
    telemetry::metrics_text,
    testing::{TestClock, World, eventually},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::probe;

/// A world whose clock is this many seconds ahead of the machine's.
async fn world_ahead_by(seconds: i64) -> World {
    let clock = TestClock::at(&Utc::now().to_rfc3339());
    clock.jump(TimeDelta::seconds(seconds));
    World::in_environment(clock.environment()).await
}

/// A caller that uses the machine's clock.
fn caller(world: &World, timeout: Duration, stop: &stop::Stop) -> Requests {
    let publisher = Arc::new(RabbitPublisher::new(world.link("gateway", "asking as another"), timeout));
    let replies = world.link("gateway", "replies of another");
    Requests::start("gateway", replies, publisher, timeout, Environment::system(), stop.clone())
}

fn question() -> GetContact {
    GetContact { contact_id: Uuid::new_v4(), account_id: Uuid::new_v4() }
}

#[tokio::test]
async fn a_service_answers_whatever_its_clock_says() {
    for seconds in [6, 3600, -6, -3600] {
        let app = world_ahead_by(seconds).await.start(probe::service(), &[]).await;
        let (_running, stop) = stop::channel();
        let caller = caller(app.world(), Duration::from_secs(5), &stop);

        let problem = caller.call(&question(), RequestOptions::default()).await.unwrap_err();

        assert_eq!(problem.status, 404, "{seconds} s ahead: {problem}");
        app.finish().await;
    }
}

/// A service that answers only when allowed, and its counters.
#[derive(Clone)]
struct Gate {
    begun: Arc<AtomicU32>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Self { begun: Arc::default(), open: Arc::new(Semaphore::new(0)) }
    }

    fn service(&self) -> Service<Postgres> {
        Service::named("contacts")
            .store(Postgres::migrated_by(probe::MIGRATIONS))
            .with(self.clone())
            .answers(RequestHandlers::new().read(once_let), &["gateway"])
    }

    async fn has_begun(&self, times: u32) {
        eventually("a started handler", async || match self.begun.load(Ordering::Relaxed) {
            begun if begun == times => Ok(()),
            begun => Err(format!("{begun} started")),
        })
        .await;
    }
}

async fn once_let(_asked: GetContact, store: ReadContext<Postgres>) -> HandlerResult<ContactView> {
    let gate = store.resource::<Gate>();
    gate.begun.fetch_add(1, Ordering::Relaxed);
    gate.open.acquire().await.unwrap().forget();
    Ok(contacts_events::samples::contact_view())
}

#[tokio::test]
async fn a_request_whose_time_is_over_is_dropped_and_counted_whatever_the_clocks_say() {
    for seconds in [0, -3600] {
        let gate = Gate::closed();
        let settings = [("requests", "concurrency", "1")];
        let app = world_ahead_by(seconds).await.start(gate.service(), &settings).await;
        let (_running, stop) = stop::channel();
        let patient = caller(app.world(), Duration::from_secs(20), &stop);
        let hasty = caller(app.world(), Duration::from_millis(500), &stop);
        let first = tokio::spawn({
            let patient = patient.clone();
            async move { patient.call(&question(), RequestOptions::default()).await }
        });
        gate.has_begun(1).await;

        // Waits for the only slot until its caller has gone.
        let asked_at = Instant::now();
        let given_up = hasty.call(&question(), RequestOptions::default()).await.unwrap_err();
        // The service counts from the receipt, which is later.
        eventually("the end of its time at the service", async || match asked_at.elapsed() {
            elapsed if elapsed > Duration::from_secs(2) => Ok(()),
            elapsed => Err(format!("{elapsed:?}")),
        })
        .await;
        gate.open.add_permits(2);

        assert_eq!(given_up.status, 504, "{seconds} s ahead: {given_up}");
        first.await.unwrap().unwrap();
        patient.call(&question(), RequestOptions::default()).await.unwrap();
        assert_eq!(gate.begun.load(Ordering::Relaxed), 2, "{seconds} s ahead: the dropped request was handled");
        let counted = r#"requests_dropped_total{name="contacts.get-contact.v1",reason="expired"}"#;
        assert!(metrics_text().contains(counted), "{}", metrics_text());
        app.finish().await;
    }
}

#[tokio::test]
async fn a_handler_is_stopped_when_its_caller_stops_waiting_whatever_the_clocks_say() {
    let gate = Gate::closed();
    let settings = [("requests", "concurrency", "1")];
    let app = world_ahead_by(-3600).await.start(gate.service(), &settings).await;
    let (_running, stop) = stop::channel();
    let hasty = caller(app.world(), Duration::from_millis(500), &stop);
    let patient = caller(app.world(), Duration::from_secs(20), &stop);

    let question = question();
    let given_up = hasty.call(&question, RequestOptions::default());
    let given_up = tokio::join!(given_up, gate.has_begun(1)).0.unwrap_err();

    // The handler still waits at the gate, in the only slot, unless it was stopped.
    assert!(matches!(given_up.status, 503 | 504), "{given_up}");
    let let_through = async {
        gate.has_begun(2).await;
        gate.open.add_permits(1);
    };
    tokio::join!(patient.call(&question, RequestOptions::default()), let_through).0.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_service_whose_clock_is_far_ahead_keeps_the_audit_trail() {
    let days = |days: i64| days * 24 * 3600;
    let app =
        world_ahead_by(days(500)).await.start(Service::named("accounts").store(Postgres::migrated_by(&[])), &[]).await;
    let mut contacts = app.neighbour(&probe::service(), &[]).await;
    // Creates the tables. Its own first round is over when it has stopped.
    contacts.start(probe::service()).await;
    let store = contacts.store().clone();
    contacts.stop().await;
    for age in [0, 401] {
        let decided = "insert into skeleton.decisions (decided_at, decided_by, act, message_id, queue, name, reason)
            values (now() - make_interval(days => $1::int), 'Zoë', 'dropped', gen_random_uuid(), 'q', 'n', 'r')";
        store.execute(decided, &[&age]).await.unwrap();
    }
    store.execute("delete from skeleton.leases", &[]).await.unwrap();

    contacts.start(probe::service()).await;

    eventually("the expired decision is removed", async || match store.trail(None, 10).await.unwrap() {
        trail if trail.len() < 2 => Ok(()),
        trail => Err(format!("{trail:?}")),
    })
    .await;
    assert_eq!(store.trail(None, 10).await.unwrap().len(), 1);
    contacts.remove().await;
    app.finish().await;
}
