//! Tests of failing handlers, on a real broker and a real Postgres.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use accounts_events::Registered;
use contacts_events::ImportFile;
use skeleton::{
    Environment, Failure, HandlerResult, Jobs, Postgres, Progress, Publish, Service, Settings, StoreError,
    Subscriptions,
    config::RetryOverrides,
    store::{Counts, postgres::Tx},
    testing::{Fault, Proxy, Servers, TestApp, World, eventually},
};
use uuid::Uuid;

use crate::probe;

/// An external dependency of the handlers that may be unavailable.
#[derive(Clone, Default)]
struct Partner {
    is_away: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
}

async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let partner = tx.resource::<Partner>();
    partner.asked.fetch_add(1, Relaxed);
    if partner.is_away.load(Relaxed) {
        return Err(StoreError::unavailable("the partner is away").into());
    }
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    tx.execute(sql, &[&registered.account_id]).await?;
    Ok(())
}

async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    if tx.resource::<Partner>().asked.fetch_add(1, Relaxed) < 3 {
        return Err(Failure::retry("not yet"));
    }
    let _ = job;
    Ok(Progress::Done)
}

fn service(partner: &Partner) -> Service<Postgres> {
    Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered))
        .with(partner.clone())
}

async fn effects(app: &TestApp<Postgres>) -> Vec<i32> {
    let rows = app.parts().store.query("select times from effects", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn register(app: &TestApp<Postgres>, count: u32) {
    for _ in 0..count {
        let registered = Registered { account_id: Uuid::new_v4(), ..accounts_events::samples::registered() };
        app.world().publish(&registered, &app.world().envelope_for(&registered)).await;
    }
}

async fn all_have_had_their_effect_once(app: &TestApp<Postgres>, count: usize) {
    eventually("every effect once", async || match effects(app).await {
        effects if effects == vec![1; count] => Ok(()),
        effects => Err(format!("{effects:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_consumer_pauses_while_what_its_handlers_need_is_away_and_parks_nothing() {
    let partner = Partner::default();
    // One more failure would park a message.
    let app = TestApp::start(service(&partner), &[("retry", "waits_ms", "[10]")]).await;
    partner.is_away.store(true, Relaxed);
    register(&app, 40).await;

    eventually("several attempts", async || match partner.asked.load(Relaxed) {
        asked if asked > 4 => Ok(()),
        asked => Err(format!("{asked}")),
    })
    .await;
    assert!(matches!(app.counts().await, Counts { waiting: 0, parked: 0, .. }), "{:?}", app.counts().await);
    assert_eq!(effects(&app).await, [0; 0]);

    partner.is_away.store(false, Relaxed);
    all_have_had_their_effect_once(&app, 40).await;
    app.finish().await;
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_parked_and_all_is_handled_once_it_is_back() {
    let world = World::new().await;
    let vhost = world.amqp_url("").rsplit_once('/').unwrap().1.to_owned();
    let (url, _) = Servers::without_password(&Servers::from_env().postgres);
    let (user, place) = url.rsplit_once('@').unwrap();
    let proxy = Proxy::before(place.split_once('/').unwrap().0).await;
    let url = format!("{user}@{}/{}_contacts", proxy.address(), vhost.replace('-', "_"));
    let app = world.start(service(&Partner::default()), &[("retry", "waits_ms", "[10]"), ("store", "url", &url)]).await;
    register(&app, 20).await;
    all_have_had_their_effect_once(&app, 20).await;

    proxy.fault(Fault::Timeout);
    register(&app, 40).await;
    proxy.cut();
    eventually("an unready service", async || match app.running().health().ready().status {
        "ready" => Err("ready".to_owned()),
        _ => Ok(()),
    })
    .await;
    proxy.heal();

    all_have_had_their_effect_once(&app, 60).await;
    assert!(app.parked().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_consumer_has_a_policy_of_its_own_in_code_and_in_settings() {
    let jobs = || {
        let often = RetryOverrides { waits_ms: Some(vec![10, 10, 10]), jitter: Some(0.0), ..RetryOverrides::default() };
        Jobs::new().on(import_file).retrying(often)
    };
    let partner = Partner::default();
    let app = TestApp::start(service(&partner).jobs(jobs()), &[("retry", "waits_ms", "[]")]).await;
    let mut endings = app.parts().service.endings();
    let job = ImportFile { import_id: Uuid::new_v4(), position: 0 };

    app.world().publish(&job, &app.world().envelope_for(&job)).await;
    for expected in ["waiting", "waiting", "waiting", "done"] {
        assert_eq!(endings.recv().await.unwrap().outcome, expected);
    }

    let never = app.try_replica(service(&Partner::default()).jobs(jobs()), &[("retry_jobs", "waits_ms", "[]")]).await;
    assert!(never.unwrap().stop().await);
    app.finish().await;
}

#[tokio::test]
async fn a_message_that_kills_its_process_is_parked_while_its_neighbours_go_on() {
    let app = TestApp::start(Service::named("contacts").store(Postgres::migrated_by(probe::MIGRATIONS)), &[]).await;
    app.apply_topology(deadly(), &[]).await;
    register(&app, 5).await;
    let deadly =
        Registered { name: "deadly".to_owned(), account_id: Uuid::new_v4(), ..accounts_events::samples::registered() };
    app.world().publish(&deadly, &app.world().envelope_for(&deadly)).await;
    register(&app, 5).await;

    // Like a supervisor, restarts it each time it dies.
    let mut deaths = 0;
    let is_done = async || !app.parked().await.is_empty() && effects(&app).await.len() == 10;
    while !is_done().await {
        let mut process = app
            .command(std::env::current_exe().unwrap())
            .args(["failures::the_process_that_dies", "--exact", "--ignored"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let all_is_done = async {
            while !is_done().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            died = process.wait() => { died.unwrap(); deaths += 1 }
            () = all_is_done => process.kill().await.unwrap(),
        }
        assert!(deaths < 20, "it dies again and again");
    }

    let parked = app.parked().await;
    assert_eq!((parked.len(), parked[0].name.as_str()), (1, "accounts.registered.v1"));
    assert!(parked[0].reason.contains("it may kill the process"), "{}", parked[0].reason);
    all_have_had_their_effect_once(&app, 10).await;
    app.stop().await;
}

fn deadly() -> Service<Postgres> {
    Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_deadly))
        .with(Partner::default())
}

async fn on_deadly(registered: Registered, tx: &mut Tx) -> HandlerResult {
    if registered.name == "deadly" {
        std::process::abort();
    }
    on_registered(registered, tx).await
}

#[tokio::test]
#[ignore = "run by the test above, in a process of its own"]
async fn the_process_that_dies() {
    let mut settings = Settings::read_with("contacts", "", std::env::vars().collect()).unwrap();
    settings.set("retry", "waits_ms", vec![10]);
    let running = deadly().start(settings, Environment::system()).await.unwrap();
    std::future::pending::<()>().await;
    drop(running);
}
