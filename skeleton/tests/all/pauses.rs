//! Tests of pauses: while a dependency of a handler is unavailable, nothing counts as a failure, and only messages that
//! need it wait.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use accounts_events::{Registered, SessionEnded};
use events::{Envelope, Message};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use skeleton::{
    Failure, HandlerResult, Postgres, Publish, Service, StoreError, Subscriptions,
    store::{Filter, SetAside, State, Store, postgres::Tx},
    testing::{TestApp, eventually},
};
use uuid::Uuid;

use crate::{conformance::waiting, probe};

/// An external dependency of the handler of registrations.
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
    if registered.name == "fail" {
        return Err(Failure::retry("this one fails"));
    }
    count(tx, registered.account_id).await
}

async fn on_session_ended(ended: SessionEnded, tx: &mut Tx) -> HandlerResult {
    count(tx, ended.account_id).await
}

async fn count(tx: &mut Tx, id: Uuid) -> HandlerResult {
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    tx.execute(sql, &[&id]).await?;
    Ok(())
}

fn service(partner: &Partner) -> Service<Postgres> {
    Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered).on(on_session_ended))
        .with(partner.clone())
}

fn account(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
}

async fn effects(app: &TestApp<Postgres>, id: Uuid) -> i32 {
    let sql = "select times from effects where contact_id = $1";
    app.parts().store.query_opt(sql, &[&id]).await.unwrap().map_or(0, |row| row.get(0))
}

/// Publishes an event as if it had been redelivered often without an outcome. Returns its id.
async fn publish_as_suspect(app: &TestApp<Postgres>, registered: &Registered) -> Uuid {
    let envelope = app.world().envelope_for(registered);
    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(7));
    let body = serde_json::to_vec(registered).unwrap();
    let properties = BasicProperties::default().with_headers(headers);
    app.world().publish_raw("events.accounts", Registered::KEY, &body, properties).await;
    envelope.id
}

async fn kept(app: &TestApp<Postgres>, id: Uuid) -> Option<SetAside> {
    app.parts().store.list_set_aside(&Filter::of(id), 1).await.unwrap().pop()
}

async fn asked(partner: &Partner, times: u32) {
    eventually("attempts", async || match partner.asked.load(Relaxed) {
        asked if asked >= times => Ok(()),
        asked => Err(format!("{asked} attempts")),
    })
    .await;
}

async fn has_its_effect(app: &TestApp<Postgres>, id: Uuid) {
    eventually("its effect, once", async || match effects(app, id).await {
        1 => Ok(()),
        times => Err(format!("{times} times")),
    })
    .await;
}

#[tokio::test]
async fn a_message_that_was_handed_out_often_is_no_crash_loop_while_a_partner_is_away() {
    let partner = Partner::default();
    let app = TestApp::start(service(&partner), &[("retry", "waits_ms", "[60000]")]).await;
    partner.is_away.store(true, Relaxed);
    let registered = account("Zoë");

    let id = publish_as_suspect(&app, &registered).await;
    asked(&partner, 5).await;
    eventually("no record of a paused attempt", async || match kept(&app, id).await {
        None => Ok(()),
        Some(kept) => Err(format!("{kept:?}")),
    })
    .await;
    assert!(app.parked().await.is_empty());

    partner.is_away.store(false, Relaxed);
    has_its_effect(&app, registered.account_id).await;
    eventually("no record of a handled message", async || match kept(&app, id).await {
        None => Ok(()),
        Some(kept) => Err(format!("{kept:?}")),
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn a_failed_attempt_at_a_message_that_was_handed_out_often_counts_once() {
    let app = TestApp::start(service(&Partner::default()), &[("retry", "waits_ms", "[600000]")]).await;
    let mut endings = app.parts().service.endings();

    let id = publish_as_suspect(&app, &account("fail")).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "waiting");
    let kept = kept(&app, id).await.unwrap();
    assert_eq!((kept.attempts, kept.state, kept.reason.as_str()), (1, State::Waiting, "this one fails"));
    app.stop().await;
}

#[tokio::test]
async fn a_parked_message_whose_acknowledgement_was_lost_stays_parked() {
    let partner = Partner::default();
    let app = TestApp::start(service(&partner), &[]).await;
    let registered = account("Zoë");
    let envelope = app.world().envelope_for(&registered);
    let parked = SetAside { message: envelope.id, state: State::Parked, attempts: 5, ..waiting() };
    app.parts().store.set_aside(&parked).await.unwrap();

    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(7));
    let body = serde_json::to_vec(&registered).unwrap();
    let properties = BasicProperties::default().with_headers(headers);
    app.world().publish_raw("events.accounts", Registered::KEY, &body, properties).await;
    assert_eq!(app.receives(&account("Zoë")).await.outcome, "done");

    let still = kept(&app, envelope.id).await.unwrap();
    assert_eq!((still.state, still.attempts), (State::Parked, 5));
    assert_eq!(partner.asked.load(Relaxed), 1, "only the message behind it was handled");
    app.stop().await;
}

/// A message of an event that is due for its next attempt.
fn due<M: Message>(event: &M, envelope: &Envelope) -> SetAside {
    SetAside {
        message: envelope.id,
        name: envelope.name.clone(),
        subject: envelope.subject.clone(),
        headers: envelope.to_headers(),
        body: serde_json::to_vec(event).unwrap(),
        ..waiting()
    }
}

#[tokio::test]
async fn while_a_partner_is_away_retries_of_what_does_not_need_it_go_on() {
    let partner = Partner::default();
    let app = TestApp::start(service(&partner), &[("retry", "poll_ms", "50")]).await;
    partner.is_away.store(true, Relaxed);
    // More than one poll finds.
    let accounts: Vec<Registered> = (0..70).map(|_| account("Zoë")).collect();
    for registered in &accounts {
        let message = due(registered, &app.world().envelope_for(registered));
        app.parts().store.set_aside(&message).await.unwrap();
    }
    let ended = SessionEnded { account_id: Uuid::new_v4(), ..accounts_events::samples::session_ended() };
    app.parts().store.set_aside(&due(&ended, &app.world().envelope_for(&ended))).await.unwrap();

    has_its_effect(&app, ended.account_id).await;
    asked(&partner, 3).await;
    let waiting = Filter { state: Some(State::Waiting), ..Filter::default() };
    let waiting = app.parts().store.list_set_aside(&waiting, 100).await.unwrap();
    assert_eq!(waiting.len(), 70);
    assert!(waiting.iter().all(|kept| kept.attempts == 1), "an attempt was counted");

    partner.is_away.store(false, Relaxed);
    for registered in &accounts {
        has_its_effect(&app, registered.account_id).await;
    }
    app.finish().await;
}
