//! Tests of messages that no store can store unchanged, and of AMQP values other than text.

use std::time::Duration;

use accounts_events::Registered;
use events::{Envelope, Message};
use lapin::{
    BasicProperties,
    types::{AMQPValue, ByteArray, FieldTable},
};
use skeleton::{
    HandlerResult, Postgres, Problem, Service, Subscriptions,
    store::{Ending, SetAside, postgres::Tx},
    testing::{TestApp, eventually},
};
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use crate::probe;

/// Counts an account, unless its name asks for a refusal: the refusal then contains the name.
async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    if registered.name.starts_with("refuse") {
        return Err(Problem::new(422, "refused", format!("no {} here", registered.name)).into());
    }
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    tx.execute(sql, &[&registered.account_id]).await?;
    Ok(())
}

async fn start() -> TestApp<Postgres> {
    let service = Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered));
    TestApp::start(service, &[("retry", "waits_ms", "[10]")]).await
}

fn account(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
}

fn headers_of(envelope: &Envelope) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers
}

async fn publish(app: &TestApp<Postgres>, registered: &Registered, headers: FieldTable) {
    let body = serde_json::to_vec(registered).unwrap();
    let properties = BasicProperties::default().with_headers(headers);
    app.world().publish_raw("events.accounts", Registered::KEY, &body, properties).await;
}

async fn next(endings: &mut Receiver<Ending>) -> Ending {
    let ending = tokio::time::timeout(Duration::from_secs(20), endings.recv()).await;
    ending.expect("the consumer continues").unwrap()
}

/// The message is parked, and the next one is handled.
async fn parked_and_goes_on(app: &TestApp<Postgres>, registered: &Registered, headers: FieldTable) -> SetAside {
    let mut endings = app.parts().service.endings();
    publish(app, registered, headers).await;
    let ending = next(&mut endings).await;
    assert_eq!(ending.outcome, "parked", "{ending:?}");
    assert_eq!(app.receives(&account("Zoë")).await.outcome, "done");
    app.parked().await.into_iter().find(|kept| kept.message == ending.message).unwrap()
}

async fn effects(app: &TestApp<Postgres>, id: Uuid) -> i32 {
    let sql = "select times from effects where contact_id = $1";
    app.parts().store.query_opt(sql, &[&id]).await.unwrap().map_or(0, |row| row.get(0))
}

#[tokio::test]
async fn a_nul_in_a_header_a_subject_or_a_refusal_stops_nothing_and_is_kept() {
    let app = start().await;

    let refused = account("refuse");
    let mut headers = headers_of(&app.world().envelope_for(&refused));
    headers.insert("x-note".into(), AMQPValue::LongString("a\0b".into()));
    headers.insert("x-bytes".into(), AMQPValue::ByteArray(ByteArray::from(vec![0xff, 0])));
    headers.insert("x-time".into(), AMQPValue::Timestamp(1_793_525_400));
    let kept = parked_and_goes_on(&app, &refused, headers).await;
    let header = |name: &str| kept.headers.get(name).map(String::as_str);
    assert_eq!((header("x-note"), header("x-note;base64")), (Some("a\u{2400}b"), Some("YQBi")));
    assert_eq!((header("x-bytes;base64"), header("x-time")), (Some("/wA="), Some("2026-11-01T09:30:00Z")));

    let mut headers = headers_of(&app.world().envelope_for(&account("Zoë")));
    headers.insert("cloudEvents:subject".into(), AMQPValue::LongString("a\0b".into()));
    let kept = parked_and_goes_on(&app, &account("Zoë"), headers).await;
    assert_eq!(kept.reason, "the attribute subject cannot be read: it should be text without control characters");

    let refused = account("refuse \0 this");
    let headers = headers_of(&app.world().envelope_for(&refused));
    let kept = parked_and_goes_on(&app, &refused, headers).await;
    assert_eq!(kept.reason, "no refuse \u{2400} this here");
    assert_eq!(kept.body, serde_json::to_vec(&refused).unwrap());
    app.finish().await;
}

#[tokio::test]
async fn attributes_and_reasons_of_any_length_stop_nothing() {
    let app = start().await;
    for name in ["id", "type", "source", "subject"] {
        let mut headers = headers_of(&app.world().envelope_for(&account("Zoë")));
        headers.insert(format!("cloudEvents:{name}").into(), AMQPValue::LongString("x".repeat(40_000).into()));

        let kept = parked_and_goes_on(&app, &account("Zoë"), headers).await;

        let reason = match name {
            "subject" => "the attribute subject cannot be read: it should be at most 1024 bytes".to_owned(),
            _ => format!("the attribute {name} is too long: the limit is 2048 bytes"),
        };
        assert_eq!(kept.reason, reason);
        assert_eq!(kept.headers[&format!("cloudEvents:{name}")].len(), 40_000);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_message_that_the_store_refuses_is_parked_in_a_reduced_form() {
    let app = start().await;
    let rule = "alter table skeleton.set_aside add constraint odd check (name = '(refused by the store)')";
    app.parts().store.execute(rule, &[]).await.unwrap();
    let refused = account("refuse");

    let kept = parked_and_goes_on(&app, &refused, headers_of(&app.world().envelope_for(&refused))).await;

    assert_eq!(kept.body, serde_json::to_vec(&refused).unwrap());
    assert!(kept.headers["as-it-came"].contains("accounts.registered.v1"), "{:?}", kept.headers);
    assert!(kept.reason.contains("no refuse here"), "{}", kept.reason);
    app.finish().await;
}

#[tokio::test]
async fn three_unreadable_messages_with_the_same_data_are_three() {
    let app = start().await;
    for _ in 0..3 {
        publish(&app, &account("Zoë"), FieldTable::default()).await;
    }
    for _ in 0..3 {
        let properties = BasicProperties::default();
        app.world().publish_raw("events.accounts", Registered::KEY, b"the same", properties).await;
    }

    eventually("six parked messages", async || match app.parked().await.len() {
        6 => Ok(()),
        seen => Err(format!("{seen}")),
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn an_event_with_an_id_that_is_not_a_uuid_has_its_effect_once_for_each_source() {
    let app = start().await;
    let registered = account("Zoë");
    let foreign = |source: &str| {
        let mut headers = headers_of(&app.world().envelope_for(&registered));
        headers.insert("cloudEvents:id".into(), AMQPValue::LongString("A234-1234-1234".into()));
        headers.insert("cloudEvents:source".into(), AMQPValue::LongString(source.into()));
        // A timestamp of AMQP, as other SDKs write it.
        headers.insert("cloudEvents:time".into(), AMQPValue::Timestamp(1_793_525_400));
        headers
    };
    let mut endings = app.parts().service.endings();

    for source in ["/shop", "/shop", "/office"] {
        publish(&app, &registered, foreign(source)).await;
        assert_eq!(next(&mut endings).await.outcome, "done");
    }

    assert_eq!(effects(&app, registered.account_id).await, 2);
    app.finish().await;
}
