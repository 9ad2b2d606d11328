//! Channels: an exchange with a routing key, a queue, or the route of replies to a caller.

use contracts::{Kind, Message, Queue};
use serde_json::{Map, Value, json};

use super::{
    Document,
    messages::{DONE, PROBLEM, text},
    reference,
};
use crate::flow::{askers_of, exchange_of, requests_for};

impl Document<'_> {
    /// Returns the channel that carries a message: its exchange, with the routing key as the address.
    pub(super) fn channel_of(&mut self, message: &Message) -> String {
        let exchange = exchange_of(message).unwrap_or_default();
        let (name, key) = (message.name.to_string(), message.name.key());
        let id = format!("{exchange}.{key}");
        let kind = if message.kind == Kind::Event { "topic" } else { "direct" };
        self.messages.insert(message.name.clone());
        self.channels.insert(
            id.clone(),
            json!({
                "address": key,
                "title": id,
                "description": text(message),
                "messages": { &name: reference(&["components", "messages", &name]) },
                "bindings": through_exchange(&exchange, kind),
            }),
        );
        id
    }

    /// Returns the channel over which a caller receives replies. Its routing key is the calling instance.
    pub(super) fn replies_to(&mut self, asker: &str) -> String {
        let id = format!("replies.{asker}");
        let asked = self.contracts.services.keys().filter(|asked| askers_of(self.contracts, asked).contains(asker));
        let answerers: Vec<String> = asked.cloned().collect();
        let channel = json!({
            "address": null,
            "title": format!("Replies to {asker}"),
            "description": format!(
                "The replies to the requests of {asker}. The routing key is in the property reply_to of the request: it names the \
                 instance that asks."
            ),
            "messages": self.replies_of(&answerers),
            "bindings": through_exchange(&id, "direct"),
        });
        self.channels.insert(id.clone(), channel);
        id
    }

    /// Returns the channel to which a service sends its replies, for all callers.
    pub(super) fn replies_from(&mut self, answerer: &str) -> String {
        let id = format!("replies.from.{answerer}");
        let exchanges: Vec<String> =
            askers_of(self.contracts, answerer).into_iter().map(|asker| format!("replies.{asker}")).collect();
        let channel = json!({
            "address": null,
            "title": format!("Replies from {answerer}"),
            "description": format!(
                "The exchange is replies.<caller> ({}); the routing key is in the property reply_to of the request.",
                exchanges.join(", ")
            ),
            "messages": self.replies_of(&[answerer.to_owned()]),
            "x-exchanges": exchanges,
        });
        self.channels.insert(id.clone(), channel);
        id
    }

    /// Adds a queue, with the messages that are routed to it.
    pub(super) fn queue(&mut self, queue: &Queue) {
        let bound = queue.bindings.iter();
        let arriving = bound.flat_map(|binding| {
            let is_bound = |message: &&Message| {
                exchange_of(message).as_ref() == Some(&binding.exchange) && message.name.key() == binding.routing_key
            };
            self.contracts.messages.values().filter(is_bound)
        });
        let names: Vec<_> = arriving.map(|message| message.name.clone()).collect();
        let messages: Map<String, Value> = names.iter().map(|name| entry(&name.to_string())).collect();
        self.messages.extend(names);
        let lasting = json!({ "name": queue.name, "durable": true, "exclusive": false, "autoDelete": false });
        self.channels.insert(
            format!("queue.{}", queue.name),
            json!({
                "address": queue.name,
                "title": format!("Queue {}", queue.name),
                "messages": messages,
                "bindings": { "amqp": { "is": "queue", "queue": lasting, "bindingVersion": "0.3.0" } },
                "x-arguments": queue.arguments,
                "x-bound-to": queue.bindings,
            }),
        );
    }

    fn replies_of(&mut self, answerers: &[String]) -> Map<String, Value> {
        let is_reply = |message: &&Message| {
            message.kind == Kind::Reply && requests_for(self.contracts, &message.name).next().is_some()
        };
        let replies = self.contracts.messages.values().filter(is_reply);
        let names: Vec<_> =
            replies.filter(|reply| answerers.contains(&reply.name.owner)).map(|reply| reply.name.clone()).collect();
        let named = names.iter().map(|name| entry(&name.to_string()));
        let messages = named.chain([entry(DONE), entry(PROBLEM)]).collect();
        self.messages.extend(names);
        messages
    }
}

fn entry(name: &str) -> (String, Value) {
    (name.to_owned(), reference(&["components", "messages", name]))
}

fn through_exchange(exchange: &str, kind: &str) -> Value {
    let exchange = json!({ "name": exchange, "type": kind, "durable": true, "autoDelete": false });
    json!({ "amqp": { "is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0" } })
}
