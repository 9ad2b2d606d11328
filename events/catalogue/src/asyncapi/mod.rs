//! The messages as AsyncAPI 3.1 documents: one for each service, from its perspective, and one for all services.

mod channels;
mod messages;
mod operations;
mod payload;

use std::collections::BTreeSet;

use contracts::{Contracts, MessageName};
use serde_json::{Map, Value, json};

pub(crate) use messages::{examples, word};

use crate::Files;

/// The AsyncAPI version of the documents.
const ASYNCAPI: &str = "3.1.0";

/// Returns the document of one service, in which `send` and `receive` are from its perspective.
pub fn document_of_service(contracts: &Contracts, service: &str) -> Value {
    let mut document = Document::new(contracts);
    document.add_service(service);
    document.finished(
        &format!("kith:{service}"),
        &format!("Kith: {service}"),
        &format!("The messages that the service {service} sends and receives, from its perspective."),
    )
}

/// Returns the document of all services; the name of each operation begins with its service.
pub fn document_of_all(contracts: &Contracts) -> Value {
    let mut document = Document::new(contracts);
    let owners = contracts.messages.keys().map(|name| name.owner.clone());
    let services: BTreeSet<String> = owners.chain(contracts.services.keys().cloned()).collect();
    for service in &services {
        document.add_service(service);
    }
    document.finished(
        "kith",
        "Kith",
        "Every message between the services of Kith; an operation begins with its service.",
    )
}

/// Returns the files of all documents.
pub(crate) fn files(contracts: &Contracts) -> Files {
    let text = |document: Value| format!("{document:#}\n");
    let of_services = contracts
        .services
        .keys()
        .map(|service| (format!("asyncapi/{service}.json"), text(document_of_service(contracts, service))));
    of_services.chain([("asyncapi/kith.json".to_owned(), text(document_of_all(contracts)))]).collect()
}

/// A document under construction.
struct Document<'a> {
    contracts: &'a Contracts,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: BTreeSet<MessageName>,
}

impl<'a> Document<'a> {
    fn new(contracts: &'a Contracts) -> Self {
        Self { contracts, channels: Map::new(), operations: Map::new(), messages: BTreeSet::new() }
    }

    fn finished(self, id: &str, title: &str, description: &str) -> Value {
        let messages = self.messages.iter().filter_map(|name| self.contracts.messages.get(name));
        let mut components: Map<String, Value> =
            messages.map(|message| (message.name.to_string(), messages::message(self.contracts, message))).collect();
        if self.operations.values().any(|operation| operation.get("reply").is_some()) {
            components.extend(messages::common_replies());
        }
        json!({
            "asyncapi": ASYNCAPI,
            "id": format!("urn:{id}"),
            "info": {
                "title": title,
                "version": env!("CARGO_PKG_VERSION"),
                "description": description,
                "license": { "name": "MIT" },
            },
            "defaultContentType": "application/json",
            "servers": { "broker": server() },
            "channels": self.channels,
            "operations": self.operations,
            "components": { "messages": components },
        })
    }
}

/// Returns the broker's entry. Its address is not known here, so it is a variable.
fn server() -> Value {
    json!({
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0-9-1",
        "description": "RabbitMQ. Each service has its own user, with only the rights that its operations need.",
        "variables": { "host": { "default": "127.0.0.1:5672", "description": "host and port of the broker" } },
        "security": [{ "type": "userPassword" }],
    })
}

/// Returns a reference to a part of the document.
fn reference(path: &[&str]) -> Value {
    let escaped: Vec<String> = path.iter().map(|part| part.replace('~', "~0").replace('/', "~1")).collect();
    json!({ "$ref": format!("#/{}", escaped.join("/")) })
}
