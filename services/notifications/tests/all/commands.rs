//! The output and exit status of the program's `topology` command.

use serde_json::{Value, json};
use skeleton::testing::{Servers, World, broker_password};
use tokio::process::Command;

/// Runs `notifications topology ...` against a virtual host. Returns the exit status and the output.
async fn topology(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_notifications"))
        .arg("topology")
        .args(arguments)
        .env("KITH_RABBIT_API", Servers::from_env().rabbit_api)
        .env("NOTIFICATIONS__BROKER__URL", world.amqp_url("notifications"))
        .env("NOTIFICATIONS__BROKER__PASSWORD", broker_password("notifications"))
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_plan_ends_with_what_is_to_be_done_and_apply_does_it() {
    let world = World::new().await;

    let (before, told) = topology(&world, &["plan"]).await;
    assert_eq!(before, 3, "{told}");
    assert!(told.contains("create queue notifications.jobs"), "{told}");
    let (applied, told) = topology(&world, &["apply"]).await;
    assert_eq!(applied, 0, "{told}");
    let (after, told) = topology(&world, &["plan"]).await;
    assert_eq!((after, told.trim()), (0, "0 changes, 0 left over, 0 clashes"));

    world.remove().await;
}

#[tokio::test]
async fn a_clash_is_named_in_both_and_changes_nothing() {
    let world = World::new().await;
    let queue = format!("queues/{}/notifications.jobs", world.vhost());
    world.admin().put(&queue, &json!({ "durable": true, "arguments": { "x-queue-type": "classic" } })).await.unwrap();

    let (planned, text) = topology(&world, &["plan", "--json"]).await;
    let plan: Value = serde_json::from_str(&text).unwrap();
    let clash = json!({
        "what": "queue", "name": "notifications.jobs", "argument": "x-queue-type",
        "on_broker": "classic", "needed": "quorum",
    });
    assert!(plan["clashes"].as_array().unwrap().contains(&clash), "{text}");
    let (applied, told) = topology(&world, &["apply"]).await;
    assert!(told.contains("x-queue-type is \"classic\" on the broker, and \"quorum\" is needed"), "{told}");

    assert_eq!((planned, applied), (4, 4));
    let queues = world.admin().get(&format!("queues/{}", world.vhost())).await.unwrap();
    assert_eq!(queues.as_array().unwrap().len(), 1, "{queues}");
    world.remove().await;
}
