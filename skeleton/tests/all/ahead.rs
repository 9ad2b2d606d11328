//! Tests of batch handlers that wait for the store at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use accounts_events::Registered;
use contacts_events::ContactRemoved;
use skeleton::{
    Failure, HandlerResult, Postgres, Publish, Service, Subscriptions,
    store::postgres::Tx,
    testing::{TestApp, World, broker_password},
};
use uuid::Uuid;

/// How many messages are in the queue before the service starts.
const BACKLOG: usize = 150;

const MIGRATIONS: &[(&str, &str)] = &[(
    "V1__ahead",
    "create table seen (position bigint generated always as identity, account_id uuid not null, before bigint);
     create table totals (n bigint not null);
     insert into totals values (0)",
)];

/// How many handlers run at the same time, and the highest number so far.
#[derive(Clone, Default)]
struct InTheAir(Arc<(AtomicUsize, AtomicUsize)>);

impl InTheAir {
    fn begin(&self) {
        let now = self.0.0.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.1.fetch_max(now, Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }
}

/// Starts a service on a backlog. Returns it with the highest number of concurrent handlers.
async fn after_backlog(subscriptions: Subscriptions<Tx>, backlog: &[Registered]) -> (TestApp<Postgres>, InTheAir) {
    let in_the_air = InTheAir::default();
    let service = Service::named("contacts")
        .store(Postgres::migrated_by(MIGRATIONS))
        .consumes(subscriptions)
        .with(in_the_air.clone());
    let world = World::new().await;
    world.admin().apply(&service.topology_spec(1).topology(), &broker_password(service.name())).await.unwrap();
    for registered in backlog {
        world.publish(registered, &world.envelope_for(registered)).await;
    }
    (world.start(service, &[]).await, in_the_air)
}

/// A backlog whose first messages concern few accounts, and whose last one concerns a separate account.
fn backlog() -> Vec<Registered> {
    let accounts: Vec<_> = (0..7).map(|_| Uuid::new_v4()).collect();
    let about = |n: usize| if n + 1 == BACKLOG { Uuid::new_v4() } else { accounts[n * n % 7] };
    (0..BACKLOG)
        .map(|n| Registered { account_id: about(n), name: n.to_string(), ..accounts_events::samples::registered() })
        .collect()
}

async fn seen(app: &TestApp<Postgres>) -> Vec<(Uuid, Option<i64>)> {
    let rows = app.parts().store.query("select account_id, before from seen order by position", &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn wait_for_the_last(app: &TestApp<Postgres>, backlog: &[Registered]) {
    let last = backlog.last().unwrap().account_id;
    app.published_once::<ContactRemoved>(|event| event.contact_id == last).await;
}

fn removed(registered: &Registered, tx: &mut Tx) -> HandlerResult {
    let removed_at = tx.now();
    tx.publish(ContactRemoved { contact_id: registered.account_id, owner_id: registered.account_id, removed_at })
}

/// Executes one statement and waits for it.
async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let in_the_air = tx.resource::<InTheAir>();
    in_the_air.begin();
    tx.execute("insert into seen (account_id) values ($1)", &[&registered.account_id]).await?;
    in_the_air.end();
    removed(&registered, tx)
}

/// Reads what the previous handler wrote: counts would be lost if handlers ran concurrently.
async fn on_registered_in_steps(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let before: i64 = tx.query_one("select n from totals", &[]).await?.get(0);
    tx.execute_later("update totals set n = $1", &[&(before + 1)]).await?;
    tx.execute_later("insert into seen (account_id, before) values ($1, $2)", &[&registered.account_id, &before])
        .await?;
    removed(&registered, tx)
}

/// The same, but ignores the store's result.
async fn on_registered_careless(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let before: i64 = tx.query_one("select n from totals", &[]).await?.get(0);
    let changed = tx.execute("update totals set n = $1", &[&(before + 1)]).await;
    if changed.is_ok() {
        let sql = "insert into seen (account_id, before) values ($1, $2)";
        tx.execute(sql, &[&registered.account_id, &before]).await?;
    }
    removed(&registered, tx)
}

/// Executes one statement; for some messages the handler fails after it.
async fn on_registered_or_refused(registered: Registered, tx: &mut Tx) -> HandlerResult {
    tx.execute("insert into seen (account_id) values ($1)", &[&registered.account_id]).await?;
    if registered.name == "77" {
        return Err(Failure::retry("not this time"));
    }
    removed(&registered, tx)
}

#[tokio::test]
async fn handlers_of_one_statement_wait_for_the_store_together_and_all_is_as_one_after_the_other() {
    let backlog = backlog();

    let (app, in_the_air) = after_backlog(Subscriptions::new().on(on_registered), &backlog).await;
    wait_for_the_last(&app, &backlog).await;

    let expected: Vec<_> = backlog.iter().map(|registered| (registered.account_id, None)).collect();
    assert_eq!(seen(&app).await, expected);
    let published: Vec<_> = app.published::<ContactRemoved>().await.iter().map(|event| event.contact_id).collect();
    assert_eq!(published, expected.iter().map(|(account, _)| *account).collect::<Vec<_>>());
    assert!(in_the_air.most() > 8, "{} at the same time", in_the_air.most());
    app.finish().await;
}

#[tokio::test]
async fn a_handler_that_reads_before_it_writes_sees_what_those_before_it_wrote() {
    for subscriptions in
        [Subscriptions::new().on(on_registered_in_steps), Subscriptions::new().on(on_registered_careless)]
    {
        let backlog = backlog();

        let (app, _) = after_backlog(subscriptions, &backlog).await;
        wait_for_the_last(&app, &backlog).await;

        let expected: Vec<_> = (0..).zip(&backlog).map(|(before, it)| (it.account_id, Some(before))).collect();
        assert_eq!(seen(&app).await, expected);
        app.finish().await;
    }
}

#[tokio::test]
async fn a_handler_that_fails_after_its_statement_takes_nothing_of_its_neighbours_with_it() {
    let backlog = backlog();

    let (app, _) = after_backlog(Subscriptions::new().on(on_registered_or_refused), &backlog).await;
    wait_for_the_last(&app, &backlog).await;

    let expected: Vec<_> = backlog.iter().filter(|it| it.name != "77").map(|it| (it.account_id, None)).collect();
    assert_eq!(seen(&app).await, expected);
    assert_eq!(app.counts().await.waiting, 1);
    app.stop().await;
}
