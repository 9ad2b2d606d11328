//! Tests of messages that are published by another service than the owner of their name.

use std::sync::Arc;

use accounts_events::Registered;
use contacts_events::{ContactView, GetContact};
use events::{Envelope, Message};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use network_events::IdentityLinked;
use skeleton::{
    HandlerResult, Postgres, ReadContext, RequestHandlers, RequestOptions, Service, Subscriptions,
    messaging::{
        handlers::Binding,
        topology::{TopologySpec, reply_queues},
    },
    store::{Decisions, postgres::Tx},
    testing::{TestApp, broker_password, somebody},
};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::probe;

async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    count(tx, registered.account_id).await
}

async fn on_identity_linked(linked: IdentityLinked, tx: &mut Tx) -> HandlerResult {
    count(tx, linked.contact_id).await
}

async fn count(tx: &mut Tx, id: Uuid) -> HandlerResult {
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    tx.execute(sql, &[&id]).await?;
    Ok(())
}

/// Holds a request up until the test has forged a reply.
#[derive(Clone, Default)]
struct Gate(Arc<(Notify, Notify)>);

async fn get_contact(asked: GetContact, context: ReadContext<Postgres>) -> HandlerResult<ContactView> {
    let gate = context.resource::<Gate>();
    gate.0.0.notify_one();
    gate.0.1.notified().await;
    let name = if asked.contact_id.is_nil() { "x".repeat(5 * 1024 * 1024) } else { "honest".to_owned() };
    Ok(ContactView { name, ..contacts_events::samples::contact_view() })
}

fn service() -> Service<Postgres> {
    Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered).on(on_identity_linked))
        .answers(RequestHandlers::new().read(get_contact), &["gateway"])
        .with(Gate::default())
}

async fn effects(app: &TestApp<Postgres>, id: Uuid) -> i32 {
    let sql = "select times from effects where contact_id = $1";
    app.parts().store.query_opt(sql, &[&id]).await.unwrap().map_or(0, |row| row.get(0))
}

/// The service `network`, with its own user and rights.
struct Network {
    connection: Connection,
    channel: Channel,
}

impl Network {
    async fn in_world_of(app: &TestApp<Postgres>) -> Self {
        let of_its_own = TopologySpec {
            service: "network".to_owned(),
            callers: vec!["gateway".to_owned()],
            events: vec![Binding { exchange: "events.accounts".to_owned(), routing_key: Registered::KEY.to_owned() }],
            ..TopologySpec::default()
        };
        let password = broker_password("network");
        app.world().admin().apply(&of_its_own.topology(), &password).await.unwrap();
        let url = app.world().amqp_url("network").replace("network@", &format!("network:{password}@"));
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { connection, channel }
    }

    /// Publishes to its own exchange with its own routing key, and with any envelope.
    async fn publishes(&self, envelope: &Envelope, message: &impl serde::Serialize, user: Option<&str>) {
        let mut headers = FieldTable::default();
        for (name, value) in envelope.to_headers() {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        // What is kept of the sender must not be a header of its own choice.
        headers.insert("amqp:user_id".into(), AMQPValue::LongString("accounts".into()));
        let properties = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
        let properties = match user {
            Some(user) => properties.with_user_id(user.into()),
            None => properties,
        };
        let (options, body) =
            (BasicPublishOptions { mandatory: true, ..Default::default() }, serde_json::to_vec(message));
        let key = IdentityLinked::KEY.into();
        let sent = self.channel.basic_publish("events.network".into(), key, options, &body.unwrap(), properties).await;
        assert!(matches!(sent.unwrap().await.unwrap(), Confirmation::Ack(None)));
    }

    /// Replies to a request of the gateway in every queue in which it may wait for the reply.
    async fn replies(&self, request: Uuid, body: &[u8], user: Option<&str>) {
        for queue in reply_queues("gateway") {
            let properties = BasicProperties::default()
                .with_correlation_id(request.to_string().into())
                .with_content_type("application/json".into());
            let properties = match user {
                Some(user) => properties.with_user_id(user.into()),
                None => properties,
            };
            let options = BasicPublishOptions::default();
            let sent =
                self.channel.basic_publish("replies.gateway".into(), queue.into(), options, body, properties).await;
            sent.unwrap().await.unwrap();
        }
    }

    async fn ends(self) {
        let _ = self.connection.close(200, "bye".into()).await;
    }
}

fn account() -> Registered {
    Registered { account_id: Uuid::new_v4(), ..accounts_events::samples::registered() }
}

#[tokio::test]
async fn an_event_that_another_service_than_its_owner_has_published_is_parked_without_an_effect() {
    let app = TestApp::start(service(), &[]).await;
    let network = Network::in_world_of(&app).await;
    let mut endings = app.parts().service.endings();

    for user in [Some("network"), None] {
        let registered = account();
        network.publishes(&app.world().envelope_for(&registered), &registered, user).await;
        assert_eq!(endings.recv().await.unwrap().outcome, "parked", "{user:?}");
        assert_eq!(effects(&app, registered.account_id).await, 0, "{user:?}");
    }

    let reasons: Vec<_> = app.parked().await.into_iter().map(|parked| parked.reason).collect();
    for said in ["was published by network", "was published without a user_id"] {
        let found =
            reasons.iter().any(|reason| reason.contains(said) && reason.contains("only accounts may publish it"));
        assert!(found, "{said}: {reasons:?}");
    }
    let honest = IdentityLinked { contact_id: Uuid::new_v4(), ..network_events::samples::identity_linked() };
    network.publishes(&app.world().envelope_for(&honest), &honest, Some("network")).await;
    assert_eq!(endings.recv().await.unwrap().outcome, "done");
    assert_eq!(effects(&app, honest.contact_id).await, 1);
    network.ends().await;
    app.finish().await;
}

#[tokio::test]
async fn a_forged_event_that_a_person_redrives_is_refused_again() {
    let app = TestApp::start(service(), &[]).await;
    let network = Network::in_world_of(&app).await;
    let mut endings = app.parts().service.endings();
    let registered = account();
    network.publishes(&app.world().envelope_for(&registered), &registered, Some("network")).await;
    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    let parked = app.parked().await.remove(0);

    app.parts().store.redrive(&[parked.message], &somebody()).await.unwrap();

    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    assert_eq!(effects(&app, registered.account_id).await, 0);
    network.ends().await;
    app.finish().await;
}

#[tokio::test]
async fn a_reply_of_another_service_than_the_one_asked_is_ignored() {
    let app = TestApp::start(service(), &[]).await;
    let network = Network::in_world_of(&app).await;
    let gate = app.parts().service.get::<Gate>();
    let forged = ContactView { name: "forged".to_owned(), ..contacts_events::samples::contact_view() };
    let forged = serde_json::to_vec(&forged).unwrap();
    let id = Uuid::new_v4();
    let question = GetContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::get_contact() };

    let options = RequestOptions { id: Some(id), ..RequestOptions::default() };
    let forging = async {
        gate.0.0.notified().await;
        network.replies(id, &forged, Some("network")).await;
        network.replies(id, &forged, None).await;
        gate.0.1.notify_one();
    };
    let (reply, ()) = tokio::join!(app.call_with(&question, options), forging);

    assert_eq!(reply.unwrap().name, "honest");
    network.ends().await;
    app.finish().await;
}

#[tokio::test]
async fn a_reply_beyond_the_limit_becomes_a_problem_and_the_next_one_arrives() {
    let app = TestApp::start(service(), &[]).await;
    let gate = app.parts().service.get::<Gate>();
    let question = |contact_id| GetContact { contact_id, ..contacts_events::samples::get_contact() };

    gate.0.1.notify_one();
    let too_large = app.call(&question(Uuid::nil())).await.unwrap_err();
    gate.0.1.notify_one();
    let next = app.call(&question(Uuid::new_v4())).await.unwrap();

    assert_eq!((too_large.status, next.name.as_str()), (507, "honest"));
    app.finish().await;
}

#[tokio::test]
async fn a_refused_message_with_the_id_of_a_parked_one_of_another_sender_is_kept_beside_it() {
    let app = TestApp::start(service(), &[]).await;
    let network = Network::in_world_of(&app).await;
    let mut endings = app.parts().service.endings();
    let first = app.world().envelope_for(&account());
    let linked = network_events::samples::identity_linked();
    let second = Envelope { id: first.id, ..app.world().envelope_for(&linked) };

    app.world().publish_data("events.accounts", Registered::KEY, &first, b"{}").await;
    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    let before = app.parked().await;
    network.publishes(&second, &serde_json::json!({ "another": 1 }), Some("network")).await;
    assert_eq!(endings.recv().await.unwrap().outcome, "parked");

    let mut parked = app.parked().await;
    parked.sort_by_key(|message| message.message != first.id);
    assert_eq!(parked.len(), 2, "{parked:?}");
    assert_eq!(parked[0], before[0]);
    assert_eq!((parked[1].name.as_str(), parked[1].attempts), (IdentityLinked::NAME, 1));
    let own = parked[1].message;
    assert_eq!(app.parts().store.redrive(&[own], &somebody()).await.unwrap(), 1);
    let ending = endings.recv().await.unwrap();
    assert_eq!((ending.message, ending.outcome), (own, "parked"), "the handler gets it, and refuses it again");
    network.ends().await;
    app.finish().await;
}
