//! Tests of requests, on a real broker and a real Postgres.

use std::{sync::Arc, time::Duration};

use contacts_events::{AddContact, ChangeContact, GetContact};
use lapin::{
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::FieldTable,
};
use skeleton::{
    Environment, RequestOptions,
    config::BrokerSettings,
    messaging::{
        rabbit::{Link, Login, RabbitPublisher},
        requests::Requests,
        topology::{TopologySpec, encoded},
    },
    stop,
    telemetry::metrics_text,
    testing::{Fault, Proxy, TestApp, World, broker_password, eventually},
};
use uuid::Uuid;

use crate::probe;

#[tokio::test]
async fn a_question_gets_its_answer_or_a_problem() {
    let app = TestApp::start(probe::service(), &[]).await;
    let id = Uuid::new_v4();
    let missing = app.call(&GetContact { contact_id: id, account_id: id }).await.unwrap_err();
    assert_eq!((missing.status, missing.detail.as_str()), (404, "there is no such contact"));

    app.call(&ChangeContact { contact_id: id, ..contacts_events::samples::change_contact() }).await.unwrap();

    assert_eq!(app.call(&GetContact { contact_id: id, account_id: id }).await.unwrap().name, "1");
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_has_only_just_started_gets_its_replies() {
    let app = TestApp::start(probe::service(), &[]).await;
    let id = Uuid::new_v4();

    for _ in 0..5 {
        let requests = app.world().requests_of("gateway", &["contacts"]).await;
        let asked = requests.call(&GetContact { contact_id: id, account_id: id }, RequestOptions::default()).await;
        assert_eq!(asked.unwrap_err().status, 404);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_request_to_an_exchange_that_does_not_exist_fails_as_not_sent() {
    let app = TestApp::start(probe::service(), &[]).await;
    let requests = app.world().requests_of("gateway", &["contacts"]).await;
    let id = Uuid::new_v4();
    let ask = async || {
        let asked = requests.call(&GetContact { contact_id: id, account_id: id }, RequestOptions::default()).await;
        asked.unwrap_err().status
    };
    assert_eq!(ask().await, 404);

    app.world().admin().delete(&format!("exchanges/{}/requests.contacts", app.world().vhost())).await.unwrap();

    assert_eq!(ask().await, 503, "504 would mean that it may have been carried out");
    app.stop().await;
}

#[tokio::test]
async fn without_the_broker_a_request_is_refused_as_not_sent() {
    let world = World::new().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("amqp://gateway@127.0.0.1:{port}/nowhere");
    let (_stop, stopped) = stop::channel();
    let link = |purpose: &str| {
        let login = Login::new(&BrokerSettings { url: url.clone(), ..world.broker_settings("gateway") }).unwrap();
        Link::open(login, format!("gateway {purpose}"), Environment::system(), stopped.clone())
    };
    let timeout = Duration::from_secs(30);
    let publisher = Arc::new(RabbitPublisher::new(link("asking"), timeout));
    let requests =
        Requests::start("gateway", link("replies"), publisher, timeout, Environment::system(), stopped.clone());
    let id = Uuid::new_v4();

    let asked = requests.call(&GetContact { contact_id: id, account_id: id }, RequestOptions::default()).await;

    let problem = asked.unwrap_err();
    // 504 would mean that it may have been carried out.
    assert_eq!((problem.status, problem.retry_after), (503, Some(1)), "{problem:?}");
    world.remove().await;
}

#[tokio::test]
async fn an_order_given_twice_under_one_id_is_followed_once_and_gets_its_first_reply() {
    let app = TestApp::start(probe::service(), &[]).await;
    let order = ChangeContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::change_contact() };
    let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };

    let first = app.call_with(&order, asking).await.unwrap();
    let second = app.call_with(&order, asking).await.unwrap();

    assert_eq!((first.name.as_str(), second.name.as_str()), ("1", "1"));
    assert_eq!(app.call(&order).await.unwrap().name, "2");
    app.finish().await;
}

#[tokio::test]
async fn concurrent_calls_under_one_id_all_get_the_reply() {
    let app = TestApp::start(probe::service(), &[]).await;
    let order = ChangeContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::change_contact() };
    let requests = app.world().requests_of("gateway", &["contacts"]).await;
    let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };

    let calls = (0..8).map(|_| requests.call(&order, asking));

    for reply in futures::future::join_all(calls).await {
        assert_eq!(reply.unwrap().name, "1");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_fails_at_once() {
    let app = TestApp::start(probe::service(), &[]).await;
    let order: AddContact = contacts_events::samples::add_contact();
    let asked = tokio::time::timeout(Duration::from_secs(5), app.call(&order));

    let problem = asked.await.expect("at once, not at the deadline").unwrap_err();

    assert_eq!(problem.status, 503);
    app.finish().await;
}

#[tokio::test]
async fn many_questions_at_once_each_get_their_own_answer() {
    let app = TestApp::start(probe::service(), &[]).await;
    let ids: Vec<Uuid> = (0..50).map(|_| Uuid::new_v4()).collect();
    for id in &ids[..25] {
        app.call(&ChangeContact { contact_id: *id, ..contacts_events::samples::change_contact() }).await.unwrap();
    }

    let questions: Vec<_> = ids.iter().map(|id| GetContact { contact_id: *id, account_id: *id }).collect();
    let answers = futures::future::join_all(questions.iter().map(|question| app.call(question))).await;

    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 25);
    assert!(answers[..25].iter().all(Result::is_ok));
    app.finish().await;
}

#[tokio::test]
async fn replies_go_out_again_after_the_connection_that_sends_them_alone_is_lost() {
    let app = TestApp::start(probe::service(), &[]).await;
    let id = Uuid::new_v4();
    app.call(&ChangeContact { contact_id: id, ..contacts_events::samples::change_contact() }).await.unwrap();

    close_connection(app.world(), "contacts publishing").await;

    let question = GetContact { contact_id: id, account_id: id };
    eventually("a reply", async || app.call(&question).await.map(drop).map_err(|problem| problem.detail)).await;
    app.finish().await;
}

/// Makes the broker close the connection with this name: it lists new ones some seconds late.
async fn close_connection(world: &World, name: &str) {
    eventually("the connection to be listed", async || try_to_close(world, name).await).await;
}

/// Makes the broker close the connection with this name, if it is listed.
pub async fn try_to_close(world: &World, name: &str) -> Result<(), String> {
    let connections = world.admin().get("connections").await.map_err(|error| error.to_string())?;
    let is_it = |one: &&serde_json::Value| one["vhost"] == world.vhost() && one["user_provided_name"] == name;
    let found = connections.as_array().into_iter().flatten().find(is_it);
    let place = found.and_then(|one| one["name"].as_str()).ok_or("it is not listed")?;
    world.admin().delete(&format!("connections/{}", encoded(place))).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_request_whose_reply_would_go_to_no_reply_queue_of_its_caller_is_dropped_and_counted() {
    let app = TestApp::start(probe::service(), &[]).await;
    let world = app.world();

    for queue in ["gateway.events", "gateway.replies.0", "contacts.replies.1", ""] {
        world.ask("gateway", queue, &contacts_events::samples::get_contact()).await;
    }

    let counted = r#"requests_dropped_total{name="contacts.get-contact.v1",reason="unknown-reply-queue"} 4"#;
    eventually("four dropped requests", async || {
        let metrics = metrics_text();
        if metrics.contains(counted) { Ok(()) } else { Err(metrics) }
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn what_the_broker_answers_too_late_leaves_no_consumer_that_nobody_reads() {
    let world = World::new().await;
    let topology_spec =
        TopologySpec { service: "gateway".to_owned(), calls: vec!["contacts".to_owned()], ..TopologySpec::default() };
    world.admin().apply(&topology_spec.topology(), &broker_password("gateway")).await.unwrap();
    let url = world.amqp_url("gateway");
    let (user, place) = url.split_once('@').unwrap();
    let (address, vhost) = place.split_once('/').unwrap();
    let proxy = Proxy::before(address).await;
    let settings =
        BrokerSettings { url: format!("{user}@{}/{vhost}", proxy.address()), ..world.broker_settings("gateway") };
    let (_connected, stop) = stop::channel();
    let link = Link::open(Login::new(&settings).unwrap(), "late".to_owned(), Environment::system(), stop);
    let queue = "gateway.replies.1";
    let consume = async |within: Duration| {
        link.consume(queue, 1, BasicConsumeOptions::default(), FieldTable::default(), within).await
    };

    proxy.fault(Fault::Latency { mean: Duration::from_millis(200), jitter: Duration::ZERO });
    assert!(consume(Duration::from_millis(20)).await.is_err(), "an answer came sooner than possible");
    proxy.heal();

    let (channel, _consumer) =
        eventually("a consumer", async || consume(Duration::from_secs(5)).await.map_err(|error| error.to_string()))
            .await;
    eventually("one consumer", async || {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
        let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap();
        (found.consumer_count() == 1).then_some(()).ok_or(format!("{} consumers", found.consumer_count()))
    })
    .await;
    world.remove().await;
}
