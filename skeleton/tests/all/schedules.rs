//! Schedules: one run per due time, with any replicas and clocks.

use crate::processes::Process;
use chrono::{DateTime, TimeDelta, Utc};
use notifications_events::GatherDigests;
use skeleton::{
    Environment, Failure, Jobs, Missed, Neo4j, Postgres, Progress, Schedules, Service, ServiceContext, Settings,
    store::{
        ScheduleRuns, Store, StoreBuilder, Transaction, neo4j,
        postgres::Tx,
        schedules::{NoteRun, Run},
    },
    testing::{TestApp, TestClock, TestStore, World, eventually},
};

const MIGRATIONS: &[(&str, &str)] =
    &[("V1__runs", "create table runs (due_at timestamptz not null, position bigint generated always as identity)")];

fn service(expression: &'static str, missed: Missed) -> Service<Postgres> {
    let job = |due_at| GatherDigests { due_at, after: None };
    Service::named("notifications")
        .store(Postgres::migrated_by(MIGRATIONS))
        .jobs(Jobs::new().on(note))
        .schedules(Schedules::new().cron("digest", expression, missed, job))
}

async fn note(job: GatherDigests, tx: &mut Tx) -> Result<Progress<GatherDigests>, Failure> {
    tx.execute("insert into runs (due_at) values ($1)", &[&job.due_at]).await?;
    Ok(Progress::Done)
}

async fn start(clock: &TestClock, service: Service<Postgres>, settings: &[(&str, &str, &str)]) -> TestApp<Postgres> {
    World::in_environment(clock.environment()).await.start(service, settings).await
}

async fn runs(app: &TestApp<Postgres>) -> Vec<DateTime<Utc>> {
    let rows = app.parts().store.query("select due_at from runs order by due_at, position", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn runs_are(app: &TestApp<Postgres>, expected: &[&str]) {
    let expected: Vec<DateTime<Utc>> = expected.iter().map(|time| time.parse().unwrap()).collect();
    eventually("the runs", async || match runs(app).await {
        seen if seen.len() >= expected.len() => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
    assert_eq!(runs(app).await, expected);
}

async fn is_settled(app: &TestApp<Postgres>) {
    eventually("a stored schedule", async || {
        let rows = app.parts().store.query("select from skeleton.schedules", &[]).await.unwrap();
        if rows.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn eight_replicas_run_each_due_time_once_when_the_clock_jumps_forward_and_back() {
    let clock = TestClock::at("2026-11-02T06:30:00Z");
    let hourly = || service("0 * * * *", Missed::All(10));
    let app = start(&clock, hourly(), &[]).await;
    let mut replicas = Vec::new();
    for _ in 0..7 {
        replicas.push(app.replica(hourly()).await);
    }
    is_settled(&app).await;

    clock.jump(TimeDelta::hours(1));
    runs_are(&app, &["2026-11-02T07:00:00Z"]).await;
    clock.jump(TimeDelta::hours(3));
    let four = ["2026-11-02T07:00:00Z", "2026-11-02T08:00:00Z", "2026-11-02T09:00:00Z", "2026-11-02T10:00:00Z"];
    runs_are(&app, &four).await;
    clock.jump(TimeDelta::hours(-4));
    clock.was_read(100).await;
    for _ in 0..4 {
        clock.jump(TimeDelta::hours(1));
        clock.was_read(100).await;
    }
    clock.jump(TimeDelta::hours(1));

    let five = [four.as_slice(), &["2026-11-02T11:00:00Z"]].concat();
    runs_are(&app, &five).await;
    clock.was_read(100).await;
    app.sent_everything().await;
    runs_are(&app, &five).await;
    for replica in replicas {
        assert!(replica.stop().await);
    }
    app.finish().await;
}

#[tokio::test]
async fn what_was_missed_is_left_out_made_up_for_once_or_made_up_for_whole() {
    let missed = [
        (Missed::Skip, vec![]),
        (Missed::One, vec!["2026-11-02T11:00:00Z"]),
        (Missed::All(2), vec!["2026-11-02T10:00:00Z", "2026-11-02T11:00:00Z"]),
    ];
    for (policy, mut expected) in missed {
        let clock = TestClock::at("2026-11-02T06:30:00Z");
        let app = start(&clock, service("0 * * * *", policy), &[]).await;
        is_settled(&app).await;

        clock.jump(TimeDelta::hours(5));
        runs_are(&app, &expected).await;
        clock.was_read(10).await;
        clock.jump(TimeDelta::minutes(30));

        expected.push("2026-11-02T12:00:00Z");
        runs_are(&app, &expected).await;
        app.finish().await;
    }
}

#[tokio::test]
async fn expression_and_zone_come_from_the_settings_and_the_day_of_the_long_night_has_each_run_once() {
    let settings = [("schedules", "digest", "30 2 * * *"), ("schedules", "time_zone", "Europe/Berlin")];
    let clock = TestClock::at("2026-10-24T23:50:00Z");
    let app = start(&clock, service("0 0 1 1 *", Missed::One), &settings).await;
    is_settled(&app).await;

    for _ in 0..18 {
        clock.jump(TimeDelta::minutes(10));
        clock.was_read(4).await;
    }
    clock.jump(TimeDelta::hours(23));

    runs_are(&app, &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]).await;
    app.finish().await;
}

#[tokio::test]
async fn twice_an_hour_runs_four_times_in_the_two_hours_that_have_one_name() {
    let settings = [("schedules", "time_zone", "Europe/Berlin")];
    let clock = TestClock::at("2026-10-24T23:50:00Z");
    let app = start(&clock, service("*/30 * * * *", Missed::All(10)), &settings).await;
    is_settled(&app).await;

    clock.jump(TimeDelta::hours(2));

    let passes = ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"];
    runs_are(&app, &passes).await;
    app.finish().await;
}

#[tokio::test]
async fn a_schedule_whose_expression_changes_starts_from_now() {
    let clock = TestClock::at("2026-11-02T06:30:00Z");
    let app = start(&clock, service("0 0 1 1 *", Missed::All(100)), &[]).await;
    is_settled(&app).await;
    clock.jump(TimeDelta::hours(5));

    let changed = app.replica(service("0 * * * *", Missed::All(100))).await;
    clock.was_read(20).await;
    clock.jump(TimeDelta::hours(1));

    runs_are(&app, &["2026-11-02T12:00:00Z"]).await;
    assert!(changed.stop().await);
    app.finish().await;
}

#[tokio::test]
async fn wrong_schedules_stop_the_start_each_with_its_name() {
    let mut settings = Settings::read_with("notifications", "", Default::default()).unwrap();
    settings.set("schedules", "digest", "every monday");
    settings.set("schedules", "time_zone", "Berlin");
    settings.set("schedules", "digets", "0 8 * * MON");

    let Err(error) = service("0 * * * *", Missed::One).start(settings, Environment::system()).await else {
        panic!("the service started")
    };

    let text = error.to_string();
    for mistake in ["digest: every monday is not a cron expression", "time_zone: Berlin", "digets is not a schedule"] {
        assert!(text.contains(mistake), "{mistake} is missing from:\n{text}");
    }
}

fn on_a_graph(expression: &'static str) -> Service<Neo4j> {
    async fn note(job: GatherDigests, tx: &mut neo4j::Tx) -> Result<Progress<GatherDigests>, Failure> {
        tx.execute(neo4j::query("CREATE (:Seen {due_at: $at})").param("at", job.due_at.to_rfc3339())).await?;
        Ok(Progress::Done)
    }
    let job = |due_at| GatherDigests { due_at, after: None };
    Service::named("notifications")
        .store(Neo4j::migrated_by(&[]))
        .jobs(Jobs::new().on(note))
        .schedules(Schedules::new().cron("digest", expression, Missed::One, job))
}

#[tokio::test]
async fn on_neo4j_too_a_due_time_has_one_run() {
    let clock = TestClock::at("2026-11-02T06:30:00Z");
    let world = World::in_environment(clock.environment()).await;
    let app = world.start(on_a_graph("0 * * * *"), &[]).await;
    let replica = app.replica(on_a_graph("0 * * * *")).await;
    let store = &app.parts().store;
    let seen = async || -> Vec<String> {
        store.query(neo4j::query("MATCH (seen:Seen) RETURN seen.due_at ORDER BY seen.due_at")).await.unwrap()
    };
    eventually("a stored schedule", async || match store.settled_until("digest").await.unwrap() {
        Some(_) => Ok(()),
        None => Err("none".to_owned()),
    })
    .await;

    clock.jump(TimeDelta::hours(1));
    eventually("a run", async || match seen().await.len() {
        1.. => Ok(()),
        _ => Err("none".to_owned()),
    })
    .await;
    clock.was_read(30).await;

    assert_eq!(seen().await, ["2026-11-02T07:00:00+00:00"]);
    assert!(replica.stop().await);
    app.finish().await;
}

/// Guarantees of every store with schedules.
async fn promises<S: ScheduleRuns>(store: &S) {
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let (start, due, later) = (at("2026-11-02T06:30:00Z"), at("2026-11-02T07:00:00Z"), at("2026-11-02T08:00:00Z"));
    let service = std::sync::Arc::new(ServiceContext::new("notifications", Environment::system()));
    let note = async |due_at| {
        let mut tx = store.begin(&service, &[]).await.unwrap();
        let run = Run { due_at, noted_at: due_at, job: Some(uuid::Uuid::new_v4()) };
        let is_mine = tx.note_run("promised", &run).await.unwrap();
        tx.commit().await.unwrap();
        usize::from(is_mine)
    };

    assert_eq!(store.adopt("promised", "hourly", start).await.unwrap(), start);
    assert_eq!(store.adopt("promised", "hourly", later).await.unwrap(), start, "it was adopted before");
    let noted: usize = futures::future::join_all((0..6).map(|_| note(due))).await.into_iter().sum();
    assert_eq!((noted, note(later).await, note(due).await), (1, 1, 0));
    assert_eq!(store.settled_until("promised").await.unwrap(), Some(later));
    assert_eq!(store.last_run("promised").await.unwrap().map(|run| run.due_at), Some(later));
    assert_eq!(store.adopt("promised", "daily", start).await.unwrap(), start, "a changed schedule starts from now");
}

#[tokio::test]
async fn of_many_who_settle_a_due_time_one_does_and_none_an_older_one() {
    let app = start(&TestClock::at("2026-11-02T06:30:00Z"), service("0 0 1 1 *", Missed::One), &[]).await;
    promises(&app.parts().store).await;
    app.finish().await;

    let provisioned = Neo4j::provision("schedules").await;
    let mut settings = Settings::read_with("network", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    let store = Neo4j::migrated_by(&[]).open(&settings).unwrap();
    store.migrate().await.unwrap();
    promises(&store).await;
    Neo4j::remove(provisioned).await;
}

/// Every second, from a separate process.
#[tokio::test]
#[ignore = "the other processes of the test below"]
async fn every_second() {
    let settings = Settings::read("notifications", "").unwrap();
    let service = service("* * * * * *", Missed::All(1000));
    let running = service.start(settings, Environment::system()).await.unwrap();
    std::future::pending::<()>().await;
    running.stop().await;
}

#[tokio::test]
async fn a_replica_that_was_stopped_and_goes_on_repeats_nothing_and_nothing_is_left_out() {
    let app = TestApp::start(service("* * * * * *", Missed::All(1000)), &[("schedules", "digest", "off")]).await;
    let more = async |by: usize| {
        let before = runs(&app).await.len();
        eventually("more runs", async || match runs(&app).await.len() {
            seen if seen >= before + by => Ok(()),
            seen => Err(format!("{seen} runs, {before} before")),
        })
        .await;
    };

    let first = Process::start("schedules::every_second", &app.variables());
    more(2).await;
    let second = Process::start("schedules::every_second", &app.variables());
    first.pause();
    more(5).await;
    first.resume();
    more(2).await;
    drop(second);
    more(3).await;

    let seen = runs(&app).await;
    let steps: Vec<_> = seen.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds()).collect();
    assert!(steps.iter().all(|step| *step == 1), "{seen:?}");
    drop(first);
    app.stop().await;
}
