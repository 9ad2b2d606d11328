//! Senders and receivers in the AsyncAPI documents.

use std::collections::BTreeSet;

use catalogue::{document_of_all, document_of_service};
use serde_json::{Value, json};

use crate::repository::repository;

/// Returns the operations of a document as `action message`.
fn operations(document: &Value) -> BTreeSet<String> {
    let operations = document["operations"].as_object().unwrap().values();
    operations
        .map(|operation| {
            let message = operation["messages"][0]["$ref"].as_str().unwrap();
            format!("{} {}", operation["action"].as_str().unwrap(), message.rsplit('/').next().unwrap())
        })
        .collect()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn the_producer_sends_and_the_consumer_receives() {
    let folder = repository();
    let contracts = folder.contracts();

    let orders = operations(&document_of_service(&contracts, "orders"));
    let billing = operations(&document_of_service(&contracts, "billing"));

    let of_orders = names([
        "send orders.order-placed.v1",
        "send orders.order-placed.v2",
        "send orders.pack-order.v1",
        "receive orders.pack-order.v1",
        "receive orders.find-order.v1",
        "receive orders.cancel-order.v1",
    ]);
    let of_billing = names([
        "receive orders.order-placed.v1",
        "receive orders.order-placed.v2",
        "send orders.find-order.v1",
        "send orders.cancel-order.v1",
    ]);
    assert_eq!(orders, of_orders);
    assert_eq!(billing, of_billing);
}

#[test]
fn the_whole_has_every_operation_of_every_service() {
    let folder = repository();
    let contracts = folder.contracts();

    let whole = document_of_all(&contracts);

    for service in ["orders", "billing"] {
        for (id, operation) in document_of_service(&contracts, service)["operations"].as_object().unwrap() {
            assert_eq!(whole["operations"][id]["action"], operation["action"], "{id}");
        }
    }
    assert_eq!(whole["operations"].as_object().unwrap().len(), 10);
}

#[test]
fn a_message_goes_through_its_exchange_and_out_of_the_queue_of_who_receives() {
    let folder = repository();

    let billing = document_of_service(&folder.contracts(), "billing");

    let channel = &billing["channels"]["events.orders.order-placed.v2"];
    assert_eq!(channel["address"], "order-placed.v2");
    assert_eq!(channel["bindings"]["amqp"]["exchange"]["name"], "events.orders");
    assert_eq!(channel["bindings"]["amqp"]["exchange"]["type"], "topic");
    let receiving = &billing["operations"]["billing.receive.orders.order-placed.v2"];
    assert_eq!(receiving["x-queue"], "billing.events");
    assert_eq!(receiving["x-reads"], json!(["/order_id", "/items"]));
    assert_eq!(billing["operations"]["billing.receive.orders.order-placed.v1"]["x-read-as"], "orders.order-placed.v2");
    assert_eq!(billing["channels"]["queue.billing.events"]["bindings"]["amqp"]["queue"]["name"], "billing.events");
}

#[test]
fn a_request_has_its_reply_on_both_sides() {
    let folder = repository();
    let contracts = folder.contracts();

    let asking = document_of_service(&contracts, "billing");
    let answering = document_of_service(&contracts, "orders");

    let sent = &asking["operations"]["billing.send.orders.find-order.v1"]["reply"];
    let received = &answering["operations"]["orders.receive.orders.find-order.v1"]["reply"];
    assert_eq!(asking["channels"]["replies.billing"]["bindings"]["amqp"]["exchange"]["name"], "replies.billing");
    assert_eq!(answering["channels"]["replies.from.orders"]["x-exchanges"], json!(["replies.billing"]));
    for (reply, channel) in [(sent, "replies.billing"), (received, "replies.from.orders")] {
        assert_eq!(reply["channel"]["$ref"], format!("#/channels/{channel}"));
        assert_eq!(reply["messages"][0]["$ref"], format!("#/channels/{channel}/messages/orders.order-view.v1"));
    }
    let done = &asking["operations"]["billing.send.orders.cancel-order.v1"]["reply"]["messages"][0]["$ref"];
    assert_eq!(done, "#/channels/replies.billing/messages/done");
}

#[test]
fn messages_carry_their_schema_their_headers_and_masked_examples() {
    let folder = repository();

    let document = document_of_service(&folder.contracts(), "orders");

    let view = &document["components"]["messages"]["orders.order-view.v1"];
    assert_eq!(view["payload"]["schemaFormat"], "application/schema+json;version=draft-07");
    let person = "#/components/messages/orders.order-view.v1/payload/schema/definitions/Person";
    assert_eq!(view["payload"]["schema"]["properties"]["buyer"]["$ref"], person);
    assert_eq!(view["examples"][0]["payload"], json!({"buyer": {"name": "•••"}}));
    let placed = &document["components"]["messages"]["orders.order-placed.v2"];
    assert_eq!(placed["headers"]["properties"]["cloudEvents:type"]["const"], "orders.order-placed.v2");
    assert_eq!(placed["examples"][0]["headers"]["cloudEvents:subject"], "o1");
    assert_eq!(placed["correlationId"]["location"], "$message.header#/cloudEvents:correlationid");
}
