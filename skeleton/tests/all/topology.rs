//! Tests of the topology: a plan lists all changes, and any conflict stops all of them.

use serde_json::{Value, json};
use skeleton::{
    Environment, Postgres,
    messaging::{
        handlers::Binding,
        topology::{Change, TopologyError, TopologySpec},
    },
    service::Running,
    testing::{TestApp, World, broker_password, eventually},
};

use crate::probe;

/// A test service that subscribes to one event or another.
fn topology_spec(event: &str) -> TopologySpec {
    let binding = |exchange: &str, key: &str| Binding { exchange: exchange.to_owned(), routing_key: key.to_owned() };
    TopologySpec {
        service: "planner".to_owned(),
        events: vec![binding("events.accounts", event)],
        requests: vec![binding("requests.planner", "find.v1")],
        calls: vec!["contacts".to_owned()],
        ..TopologySpec::default()
    }
}

fn password() -> String {
    broker_password("planner")
}

async fn queues(world: &World) -> Vec<String> {
    let found = world.admin().get(&format!("queues/{}", world.vhost())).await.unwrap();
    found.as_array().unwrap().iter().map(|queue| queue["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_applied_needs_no_change_and_is_applied_again_without_any() {
    let world = World::new().await;
    let topology = topology_spec("registered.v1").topology();

    let first = world.admin().plan(&topology).await.unwrap();
    assert!(first.changes.iter().any(
        |change| matches!(change, Change::Bind { destination, .. } if destination.to_string() == "planner.events")
    ));
    assert_eq!(queues(&world).await, [""; 0], "planning has changed something");
    let done = world.admin().apply(&topology, &password()).await.unwrap();

    // The user is the same in every virtual host: another test may have created it meanwhile.
    let but_user = |changes: &[Change]| {
        changes.iter().filter(|change| !matches!(change, Change::MakeUser { .. })).cloned().collect::<Vec<_>>()
    };
    assert_eq!(but_user(&done.changes), but_user(&first.changes));
    assert!(world.admin().plan(&topology).await.unwrap().is_nothing());
    assert_eq!(world.admin().apply(&topology, &password()).await.unwrap().changes, []);
    world.remove().await;
}

#[tokio::test]
async fn another_event_is_bound_and_the_one_before_unbound() {
    let world = World::new().await;
    world.admin().apply(&topology_spec("registered.v1").topology(), &password()).await.unwrap();

    let done = world.admin().apply(&topology_spec("erased.v1").topology(), &password()).await.unwrap();

    let told: Vec<String> = done.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "bind planner.events to events.accounts with \"erased.v1\"",
            "unbind planner.events from events.accounts with \"registered.v1\"",
        ]
    );
    assert!(world.admin().plan(&topology_spec("erased.v1").topology()).await.unwrap().is_nothing());
    world.remove().await;
}

#[tokio::test]
async fn a_clash_is_told_whole_and_nothing_is_touched() {
    let world = World::new().await;
    let path = format!("queues/{}/planner.events", world.vhost());
    let arguments = json!({ "x-queue-type": "quorum", "x-delivery-limit": 20, "x-expires": 90000 });
    let other = json!({ "durable": true, "arguments": arguments });
    world.admin().put(&path, &other).await.unwrap();
    let path = format!("exchanges/{}/events.accounts", world.vhost());
    world.admin().put(&path, &json!({ "type": "direct", "durable": true })).await.unwrap();

    let refused = world.admin().apply(&topology_spec("registered.v1").topology(), &password()).await.unwrap_err();

    assert!(matches!(&refused, TopologyError::Clash(clashes) if clashes.len() == 4), "{refused}");
    for line in [
        "exchange events.accounts: type is \"direct\" on the broker, and \"topic\" is needed",
        "queue planner.events: x-delivery-limit is 20 on the broker, and 1000 is needed",
        "queue planner.events: x-dead-letter-exchange is not set on the broker, and \"dead.planner\" is needed",
        "queue planner.events: x-expires is 90000 on the broker, and not set is needed",
        "docs/rights.md",
    ] {
        assert!(refused.to_string().contains(line), "{line} is missing from:\n{refused}");
    }
    assert_eq!(queues(&world).await, ["planner.events"], "something was created");
    world.remove().await;
}

#[tokio::test]
async fn what_nobody_needs_any_more_is_told_with_its_messages_and_stays() {
    let world = World::new().await;
    let without_requests = TopologySpec { requests: Vec::new(), ..topology_spec("registered.v1") };
    world.admin().apply(&topology_spec("registered.v1").topology(), &password()).await.unwrap();
    let properties = lapin::BasicProperties::default().with_delivery_mode(2);
    world.publish_raw("requests.planner", "find.v1", b"{}", properties).await;

    let done = world.admin().apply(&without_requests.topology(), &password()).await.unwrap();

    assert_eq!(done.changes, []);
    // The broker counts the messages of a queue every few seconds.
    eventually("an unused queue with a message", async || {
        let planned = world.admin().plan(&without_requests.topology()).await.unwrap();
        match planned.left_over.as_slice() {
            [left] if left.queue == "planner.requests" && left.messages == Some(1) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    world.remove().await;
}

#[tokio::test]
async fn a_right_too_many_and_a_rank_are_taken_away() {
    let world = World::new().await;
    let topology_spec =
        TopologySpec { service: "ranked".to_owned(), requests: Vec::new(), ..topology_spec("registered.v1") };
    let password = broker_password("ranked");
    world.admin().apply(&topology_spec.topology(), &password).await.unwrap();
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    world.admin().put(&format!("permissions/{}/ranked", world.vhost()), &all).await.unwrap();
    world.admin().put("users/ranked", &json!({ "password": password, "tags": "monitoring" })).await.unwrap();

    let done = world.admin().apply(&topology_spec.topology(), &password).await.unwrap();

    let told: Vec<String> = done.changes.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "remove the tags [\"monitoring\"] from user ranked");
    assert!(told[1].ends_with("now configure .*, write .*, read .*"), "{}", told[1]);
    assert!(world.admin().plan(&topology_spec.topology()).await.unwrap().is_nothing());
    let user: Value = world.admin().get("users/ranked").await.unwrap();
    assert_eq!(user["tags"], json!([]));
    world.admin().delete("users/ranked").await.unwrap();
    world.remove().await;
}

#[tokio::test]
async fn a_service_whose_queue_is_missing_goes_on_once_it_is_made() {
    let app = TestApp::start(probe::service(), &[]).await;
    let (world, topology) = (app.world(), probe::service().topology_spec(1).topology());
    world.admin().delete(&format!("queues/{}/contacts.events", world.vhost())).await.unwrap();

    let planned = world.admin().plan(&topology).await.unwrap();
    assert!(planned.changes.iter().any(|change| matches!(change, Change::MakeQueue { .. })), "{planned}");
    world.admin().apply(&topology, &broker_password("contacts")).await.unwrap();

    let ending = app.receives(&accounts_events::samples::registered()).await;
    assert_eq!(ending.outcome, "done");
    app.finish().await;
}

#[tokio::test]
async fn events_split_otherwise_are_planned_before_they_are_and_what_was_worked_off_is_deleted() {
    let world = World::new().await;
    let split = TopologySpec { partitions: 2, ..topology_spec("registered.v1") }.topology();
    world.admin().apply(&topology_spec("registered.v1").topology(), &password()).await.unwrap();

    let done = world.admin().apply(&split, &password()).await.unwrap();

    let told: Vec<String> = done.changes.iter().map(ToString::to_string).collect();
    for line in [
        "create exchange planner.split (x-consistent-hash)",
        "bind planner.split to events.accounts with \"registered.v1\"",
        "bind planner.events.1 to planner.split with \"1\"",
        "unbind planner.events from events.accounts with \"registered.v1\"",
    ] {
        assert!(told.iter().any(|told| told == line), "{line} is missing from {told:?}");
    }
    eventually("an empty queue", async || {
        let planned = world.admin().plan(&split).await.unwrap();
        match planned.changes.as_slice() {
            [Change::DeleteEmpty { queue }] if queue == "planner.events" => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    world.admin().apply(&split, &password()).await.unwrap();
    assert!(world.admin().plan(&split).await.unwrap().is_nothing());
    assert!(!queues(&world).await.contains(&"planner.events".to_owned()));
    world.remove().await;
}

#[tokio::test]
async fn a_history_that_was_deleted_is_shown_by_its_producer_with_what_is_missing() {
    let app = TestApp::start(probe::service(), &[]).await;
    app.world().admin().delete(&format!("queues/{}/history.contacts", app.world().vhost())).await.unwrap();

    let second = probe::service().start(app.settings().clone(), Environment::system()).await.unwrap();

    let topology_of = |running: &Running<Postgres>| {
        let checks = running.health().ready().checks;
        checks.into_iter().find(|check| check.name == "topology").unwrap()
    };
    eventually("what is missing", async || match topology_of(&second).reason {
        Some(reason) if reason.contains("history.contacts") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(second.stop().await);
    app.stop().await;
}
