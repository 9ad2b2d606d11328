//! Operations: the messages that one service sends and receives.

use contracts::{Kind, Message};
use serde_json::{Value, json};

use super::{
    Document,
    messages::{DONE, PROBLEM, text},
    reference,
};
use crate::flow::{Flow, Hop, Reads, exchange_of};

impl<'a> Document<'a> {
    /// Adds the messages that a service sends and receives, and its queues.
    pub(super) fn add_service(&mut self, service: &str) {
        let contracts = self.contracts;
        for message in contracts.messages.values() {
            let flow = Flow::of(contracts, message);
            // A reply is part of the operation of its request.
            if message.kind == Kind::Reply {
                continue;
            }
            if flow.senders.contains(service) {
                self.send(service, message);
            }
            if let Some(hop) = flow.hops.iter().find(|hop| hop.receiver == service) {
                self.receive(message, hop);
            }
        }
        let queues = contracts.services.get(service).map(|contract| &contract.topology.queues);
        for queue in queues.into_iter().flatten() {
            self.queue(queue);
        }
    }

    fn send(&mut self, service: &str, message: &'a Message) {
        let lasting = message.kind != Kind::Request;
        let binding =
            json!({ "mandatory": true, "deliveryMode": if lasting { 2 } else { 1 }, "bindingVersion": "0.3.0" });
        let mut operation = self.operation("send", service, message);
        operation["bindings"] = json!({ "amqp": binding });
        if message.kind == Kind::Request {
            let replies = self.replies_to(service);
            operation["reply"] = reply(message, &replies);
        }
        self.operations.insert(format!("{service}.send.{}", message.name), operation);
    }

    fn receive(&mut self, message: &'a Message, hop: &Hop) {
        let name = &hop.receiver;
        let mut operation = self.operation("receive", name, message);
        operation["bindings"] = json!({ "amqp": { "ack": true, "bindingVersion": "0.3.0" } });
        operation["x-queue"] = json!(hop.queue);
        match &hop.reads {
            Reads::Fields(fields) => operation["x-reads"] = json!(fields),
            Reads::As(version) => operation["x-read-as"] = json!(message.name.in_version(*version)),
            Reads::NotListed => {}
        }
        if message.kind == Kind::Request {
            let replies = self.replies_from(name);
            operation["reply"] = reply(message, &replies);
        }
        self.operations.insert(format!("{name}.receive.{}", message.name), operation);
    }

    fn operation(&mut self, action: &str, service: &str, message: &'a Message) -> Value {
        let channel = self.channel_of(message);
        json!({
            "action": action,
            "title": format!("{service} {} {}", verb(action, message.kind), message.name),
            "summary": text(message),
            "channel": reference(&["channels", &channel]),
            "messages": [reference(&["channels", &channel, "messages", &message.name.to_string()])],
            "tags": [{ "name": service }, { "name": super::messages::word(message.kind) }],
            "x-exchange": exchange_of(message),
        })
    }
}

/// Returns the reply of a request: its reply type or the bare success, or a problem.
fn reply(request: &Message, channel: &str) -> Value {
    let answer = request.reply.as_ref().map_or_else(|| DONE.to_owned(), ToString::to_string);
    let message = |name: &str| reference(&["channels", channel, "messages", name]);
    json!({
        "address": {
            "location": "$message.header#/reply_to",
            "description": "the routing key; it is the AMQP property reply_to of the request",
        },
        "channel": reference(&["channels", channel]),
        "messages": [message(&answer), message(PROBLEM)],
    })
}

fn verb(action: &str, kind: Kind) -> &'static str {
    match (action, kind) {
        ("send", Kind::Event) => "publishes",
        ("send", Kind::Request) => "calls",
        ("send", _) => "sends itself",
        (_, Kind::Event) => "consumes",
        (_, Kind::Request) => "answers",
        _ => "runs",
    }
}
