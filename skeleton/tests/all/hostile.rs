//! Tests of messages that are broken, foreign, forged or far too large.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use accounts_events::{Registered, SessionEnded};
use contacts_events::{ChangeContact, ContactAdded, ContactView};
use events::{Envelope, Message};
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldArray, FieldTable},
};
use skeleton::{
    Failure, HandlerResult, Postgres, Publish, RequestHandlers, Service, Subscriptions,
    store::{Decisions, SetAside, postgres::Tx},
    telemetry::metrics_text,
    testing::{TestApp, broker_password, eventually, somebody},
};
use uuid::Uuid;

use crate::{probe, unresponsive::administrator};

/// The handler's fault, until it is fixed.
#[derive(Clone, Default)]
struct Bug(Arc<AtomicBool>);

async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    count(tx, registered.account_id).await?;
    if registered.name == "poison" && !tx.resource::<Bug>().0.load(Relaxed) {
        return Err(Failure::retry("this one fails until the handler is fixed"));
    }
    Ok(())
}

async fn on_session_ended(ended: SessionEnded, tx: &mut Tx) -> HandlerResult {
    count(tx, ended.account_id).await
}

/// Writes, then publishes more than a message may hold.
async fn change_contact(asked: ChangeContact, tx: &mut Tx) -> HandlerResult<ContactView> {
    count(tx, asked.contact_id).await?;
    tx.publish(ContactAdded { name: "x".repeat(300 * 1024), ..contacts_events::samples::contact_added() })?;
    Ok(contacts_events::samples::contact_view())
}

async fn count(tx: &mut Tx, id: Uuid) -> HandlerResult {
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    tx.execute(sql, &[&id]).await?;
    Ok(())
}

fn service(bug: &Bug) -> Service<Postgres> {
    Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered).on(on_session_ended))
        .answers(RequestHandlers::new().write(change_contact), &["gateway"])
        .with(bug.clone())
}

async fn start() -> TestApp<Postgres> {
    TestApp::start(service(&Bug::default()), &[("retry", "waits_ms", "[10, 10]")]).await
}

fn account(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
}

async fn effects(app: &TestApp<Postgres>, id: Uuid) -> i32 {
    let sql = "select times from effects where contact_id = $1";
    app.parts().store.query_opt(sql, &[&id]).await.unwrap().map_or(0, |row| row.get(0))
}

/// Sends data in a valid envelope. Returns the parked message and the number of endings before it.
async fn parked_of(app: &TestApp<Postgres>, envelope: &Envelope, body: &[u8]) -> (SetAside, usize) {
    let mut endings = app.parts().service.endings();
    app.world().publish_data("events.accounts", Registered::KEY, envelope, body).await;
    for count in 1.. {
        let ending = endings.recv().await.unwrap();
        if ending.outcome != "waiting" {
            assert_eq!(ending.outcome, "parked", "{:?}", String::from_utf8_lossy(body));
            let parked = app.parked().await.into_iter().find(|message| message.message == ending.message);
            return (parked.unwrap(), count);
        }
    }
    unreachable!()
}

/// Valid messages are handled as usual.
async fn assert_goes_on(app: &TestApp<Postgres>) {
    let sound = account("Zoë");
    assert_eq!(app.receives(&sound).await.outcome, "done");
    assert_eq!(effects(app, sound.account_id).await, 1);
}

#[tokio::test]
async fn a_message_that_fails_for_ever_hurts_no_neighbour_and_has_its_effect_once_the_handler_is_mended() {
    let bug = Bug::default();
    let app = TestApp::start(service(&bug), &[("retry", "waits_ms", "[10, 10]")]).await;
    let mut endings = app.parts().service.endings();
    let accounts: Vec<_> = (0..30).map(|n| account(if n == 7 { "poison" } else { "Zoë" })).collect();

    for registered in &accounts {
        app.world().publish(registered, &app.world().envelope_for(registered)).await;
    }
    let mut outcomes: Vec<&str> = Vec::new();
    while outcomes.len() < 29 + 3 {
        outcomes.push(endings.recv().await.unwrap().outcome);
    }

    let count = |outcome| outcomes.iter().filter(|seen| **seen == outcome).count();
    assert_eq!((count("done"), count("waiting"), count("parked")), (29, 2, 1));
    let parked = app.parked().await;
    assert_eq!(parked[0].reason, "this one fails until the handler is fixed");
    assert_eq!(effects(&app, accounts[7].account_id).await, 0);

    bug.0.store(true, Relaxed);
    app.parts().store.redrive(&[parked[0].message], &somebody()).await.unwrap();

    assert_eq!(endings.recv().await.unwrap().outcome, "done");
    for registered in &accounts {
        assert_eq!(effects(&app, registered.account_id).await, 1);
    }
    assert!(app.parked().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_of_its_schema_is_parked_as_it_came_at_the_first_attempt() {
    let app = start().await;
    let sound = serde_json::to_string(&account("Zoë")).unwrap();
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let utf_16: Vec<u8> = sound.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"not json".to_vec(),
        b"\0\0\0\0".to_vec(),
        sound.as_bytes()[..sound.len() / 2].to_vec(),
        format!("{sound} and more").into_bytes(),
        // Latin-1, but JSON is UTF-8.
        sound.replace('ë', "?").bytes().map(|byte| if byte == b'?' { 0xeb } else { byte }).collect(),
        utf_16,
        deep.clone().into_bytes(),
        sound.replace("\"name\":", &format!("\"more\":{deep},\"name\":")).into_bytes(),
        sound.replace("false", "NaN").into_bytes(),
        sound.replace("\"Zoë\"", "1e400").into_bytes(),
        b"null".to_vec(),
        b"[]".to_vec(),
    ];

    for body in bodies {
        let envelope = app.world().envelope_for(&account("Zoë"));
        let (parked, endings) = parked_of(&app, &envelope, &body).await;
        assert_eq!((parked.attempts, endings, parked.body), (1, 1, body));
    }

    assert_goes_on(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn what_breaks_its_schema_is_parked_with_the_place_and_without_what_is_there() {
    let app = start().await;
    let mut without_address = serde_json::to_value(account("Zoë Secret")).unwrap();
    without_address.as_object_mut().unwrap().remove("email");
    let mut wrong_reason = serde_json::to_value(accounts_events::samples::session_ended()).unwrap();
    wrong_reason["reason"] = "secret@example.org".into();

    let envelope = app.world().envelope_for(&account("Zoë"));
    let (missing, _) = parked_of(&app, &envelope, without_address.to_string().as_bytes()).await;
    let envelope = app.world().envelope_for(&accounts_events::samples::session_ended());
    let (no_choice, _) = parked_of(&app, &envelope, wrong_reason.to_string().as_bytes()).await;

    assert_eq!(missing.attempts, 1);
    assert!(missing.reason.contains("required") && missing.reason.contains("registered.v1"), "{}", missing.reason);
    assert!(no_choice.reason.contains("/reason") && no_choice.reason.contains("enum"), "{}", no_choice.reason);
    for reason in [missing.reason, no_choice.reason] {
        assert!(!reason.contains("ecret"), "{reason}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_version_of_tomorrow_waits_for_a_newer_build_and_what_nobody_knows_is_parked_at_once() {
    let app = start().await;
    let body = serde_json::to_vec(&account("Zoë")).unwrap();
    let under = |name: &str| Envelope { name: name.to_owned(), ..app.world().envelope_for(&account("Zoë")) };

    let (tomorrow, tries) = parked_of(&app, &under("accounts.registered.v99"), &body).await;
    let (unknown, at_once) = parked_of(&app, &under("accounts.never-heard-of.v1"), &body).await;

    assert_eq!((tries, at_once), (3, 1));
    assert_eq!(tomorrow.reason, "this version of contacts does not know accounts.registered.v99");
    assert_eq!(unknown.reason, "this version of contacts does not know accounts.never-heard-of.v1");
    assert_eq!((tomorrow.body, unknown.body), (body.clone(), body));
    assert_goes_on(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn who_wants_to_tell_more_than_a_message_holds_is_refused_and_nothing_is_written() {
    let app = start().await;
    let asked = ChangeContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::change_contact() };

    let problem = app.call(&asked).await.unwrap_err();

    assert_eq!((problem.status, problem.kind.as_str()), (413, "urn:kith:problem:message-too-large"));
    assert_eq!(effects(&app, asked.contact_id).await, 0);
    assert!(app.published::<ContactAdded>().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_message_over_the_brokers_limit_costs_its_sender_the_channel_and_nobody_else() {
    let app = start().await;
    let url = app.world().amqp_url("contacts");
    let url = url.replace("contacts@", &format!("contacts:{}@", broker_password("contacts")));
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();

    let huge = vec![b' '; 129 * 1024 * 1024];
    let options = BasicPublishOptions::default();
    let sent =
        channel.basic_publish("events.contacts".into(), "any.v1".into(), options, &huge, BasicProperties::default());
    let outcome = match sent.await {
        Ok(confirm) => confirm.await.map(|_| ()),
        Err(error) => Err(error),
    };

    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("PRECONDITION"), "{error}");
    assert_goes_on(&app).await;
    let _ = connection.close(200, "bye".into()).await;
    app.finish().await;
}

#[tokio::test]
async fn headers_that_are_forged_or_far_too_many_change_nothing() {
    let app = start().await;
    let registered = account("Zoë");
    let envelope = app.world().envelope_for(&registered);
    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    // The headers claim that it has been dead-lettered a thousand times.
    headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(1000));
    let mut death = FieldTable::default();
    death.insert("count".into(), AMQPValue::LongLongInt(1000));
    death.insert("queue".into(), AMQPValue::LongString("contacts.events".into()));
    let deaths: FieldArray = vec![AMQPValue::FieldTable(death)].into();
    headers.insert("x-death".into(), AMQPValue::FieldArray(deaths));
    // Close to the limit of one frame.
    for number in 0..1500 {
        headers.insert(format!("x-bomb-{number}").into(), AMQPValue::LongString("x".repeat(50).into()));
    }
    let mut endings = app.parts().service.endings();

    let body = serde_json::to_vec(&registered).unwrap();
    let properties = BasicProperties::default().with_headers(headers);
    app.world().publish_raw("events.accounts", Registered::KEY, &body, properties).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "done");
    assert_eq!(effects(&app, registered.account_id).await, 1);
    eventually("no attempts recorded for it", async || match app.counts().await.waiting {
        0 => Ok(()),
        seen => Err(format!("{seen} records")),
    })
    .await;
    assert_goes_on(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_message_with_a_subject_that_no_index_takes_is_parked_and_its_neighbours_go_on() {
    let app = start().await;
    let registered = account("Zoë");
    let envelope = app.world().envelope_for(&registered);
    let envelope = Envelope { subject: Some("s".repeat(16 * 1024)), ..envelope };
    let mut endings = app.parts().service.endings();

    app.world().publish(&registered, &envelope).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    let parked = app.parked().await;
    assert_eq!(parked[0].reason, "the attribute subject cannot be read: it should be at most 1024 bytes");
    assert_goes_on(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn of_two_members_with_one_name_the_last_counts_for_the_schema_and_for_the_handler() {
    let app = start().await;
    let (sound, other) = (account("Zoë"), Uuid::new_v4());
    let body = serde_json::to_string(&sound).unwrap();
    let twice = body.replacen('{', &format!("{{\"account_id\":\"{other}\","), 1);
    let broken_last = body.replacen('}', ",\"account_id\":7}", 1);
    let mut endings = app.parts().service.endings();

    let envelope = app.world().envelope_for(&sound);
    app.world().publish_data("events.accounts", Registered::KEY, &envelope, twice.as_bytes()).await;
    assert_eq!(endings.recv().await.unwrap().outcome, "done");
    let (parked, _) = parked_of(&app, &app.world().envelope_for(&sound), broken_last.as_bytes()).await;

    assert_eq!((effects(&app, sound.account_id).await, effects(&app, other).await), (1, 0));
    assert!(parked.reason.contains("/account_id"), "{}", parked.reason);
    app.finish().await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_of_another_publisher_is_parked_without_its_data_and_its_neighbours_go_on() {
    let app = start().await;
    let registered = account("Zoë");
    let body = serde_json::to_string(&registered).unwrap() + &" ".repeat(300 * 1024);

    let (parked, attempts) = parked_of(&app, &app.world().envelope_for(&registered), body.as_bytes()).await;

    assert_eq!((attempts, parked.body.len()), (1, 0));
    assert!(parked.reason.contains("300 kB is too large: the limit is 256 kB"), "{}", parked.reason);
    assert_eq!(effects(&app, registered.account_id).await, 0);
    assert_goes_on(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn the_name_of_an_unknown_message_is_no_label_of_a_metric() {
    let app = start().await;
    let mut endings = app.parts().service.endings();
    let registered = account("Zoë");
    let name = format!("accounts.made-up-{}.v1", Uuid::new_v4().simple());
    let envelope = Envelope { name: name.clone(), ..app.world().envelope_for(&registered) };

    app.world().publish(&registered, &envelope).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    let metrics = metrics_text();
    assert!(!metrics.contains(&name) && metrics.contains("name=\"(unknown)\""), "{metrics}");
    app.stop().await;
}

/// Lists in lists: a header of a few kilobytes that costs the client's parser a stack frame for each level.
fn nested(levels: usize) -> AMQPValue {
    (0..levels).fold(AMQPValue::Void, |inner, _| AMQPValue::FieldArray(vec![inner].into()))
}

#[tokio::test]
async fn a_message_with_a_deeply_nested_header_is_parked_and_its_neighbours_go_on() {
    assert!(std::env::var_os("RUST_MIN_STACK").is_some(), "set RUST_MIN_STACK as .cargo/config.toml does");
    let app = start().await;
    let mut endings = app.parts().service.endings();
    let mut headers = FieldTable::default();
    headers.insert("deep".into(), nested(3_000));
    let properties = BasicProperties::default().with_headers(headers);
    let channel = administrator(app.world()).await.create_channel().await.unwrap();

    let options = BasicPublishOptions::default();
    channel.basic_publish("events.accounts".into(), Registered::KEY.into(), options, b"{}", properties).await.unwrap();

    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    let parked = app.parked().await;
    assert!(parked[0].headers["deep"].contains("nested too deeply"), "{:?}", parked[0].headers);
    assert_goes_on(&app).await;
    app.finish().await;
}
