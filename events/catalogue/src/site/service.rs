//! The page of a service: the events, requests, replies and jobs that it publishes, consumes, answers, sends and runs.

use contracts::{Kind, Message, Queue, ServiceContract};
use maud::{Markup, html};
use serde_json::Value;

use super::{Site, Version, frame, meaning, tables};
use crate::flow::askers_of;

const TOP: &str = "../";

/// Renders the page of a service.
pub(super) fn page(site: &Site, service: &ServiceContract) -> String {
    let name = service.service.as_str();
    let sends = |kind: Kind| {
        let is_sent = move |version: &&Version| version.message.kind == kind && version.flow.senders.contains(name);
        site.versions().filter(is_sent).collect::<Vec<_>>()
    };
    let owned_jobs = sends(Kind::Job);
    let body = html! {
        p .crumbs { a href={ (TOP) "index.html" } { "All messages" } }
        h1 { span class={ "dot hue-" (site.hue(name)) } {} (name) }
        p .lead {
            "For tools: " a href={ (TOP) "asyncapi/" (name) ".json" } { "AsyncAPI of " (name) }
        }
        (part("Publishes", "events for any number of consumers", sent(site, &sends(Kind::Event))))
        (part("Consumes", "events of others", some(&service.consumes, tables::readings(site, TOP, &service.consumes))))
        (part("Answers", &asked_by(site, name), some(&service.answers, tables::readings(site, TOP, &service.answers))))
        (part("Calls", "requests that it may send", asks(site, service)))
        (part("Runs", "jobs that it puts into its own queue", sent(site, &owned_jobs)))
        (part("Queues", "what they are bound to", some(&service.topology.queues, queues(site, service))))
    };
    frame::page(site, TOP, name, body)
}

/// Renders a part of the page; omitted if it is empty.
fn part(title: &str, aside: &str, content: Option<Markup>) -> Markup {
    html! {
        @if let Some(content) = content {
            section { h2 { (title) " " span .aside { (aside) } } (content) }
        }
    }
}

fn some<T>(items: &[T], content: Markup) -> Option<Markup> {
    (!items.is_empty()).then_some(content)
}

fn asked_by(site: &Site, service: &str) -> String {
    let askers: Vec<String> = askers_of(site.contracts, service).into_iter().collect();
    format!("requests of {}", askers.join(", "))
}

fn sent(site: &Site, versions: &[&Version]) -> Option<Markup> {
    let list = html! {
        ul .list {
            @for version in versions {
                li {
                    (frame::message(TOP, &version.message.name))
                    span .aside { (meaning(version.message)) }
                    span .share { (frame::services(site, TOP, version.flow.receivers())) }
                }
            }
        }
    };
    some(versions, list)
}

fn asks(site: &Site, service: &ServiceContract) -> Option<Markup> {
    let asked = |other: &str| {
        let is_asked = |message: &&Message| message.kind == Kind::Request && message.name.owner == other;
        site.contracts.messages.values().filter(is_asked).collect::<Vec<_>>()
    };
    let content = html! {
        @for other in &service.asks {
            details .asked {
                summary { (frame::service(site, TOP, other)) " " span .aside { (asked(other).len()) " requests" } }
                ul .list {
                    @for message in asked(other) {
                        li { (frame::message(TOP, &message.name)) span .aside { (meaning(message)) } }
                    }
                }
            }
        }
    };
    some(&service.asks, content)
}

fn queues(site: &Site, service: &ServiceContract) -> Markup {
    html! {
        @for queue in &service.topology.queues {
            details .queue {
                summary { code { (queue.name) } " " span .aside { (described(queue)) } }
                (arguments(queue))
                table .bindings {
                    thead { tr { th { "Exchange" } th { "Routing key" } th { "Message" } } }
                    tbody { @for binding in &queue.bindings { (bound(site, binding)) } }
                }
            }
        }
    }
}

fn bound(site: &Site, binding: &contracts::Binding) -> Markup {
    let is_bound = |version: &&Version| {
        version.message.name.key() == binding.routing_key && version.flow.exchanges.contains(&binding.exchange)
    };
    let version = site.versions().find(is_bound);
    html! {
        tr {
            td .name { code { (binding.exchange) } }
            td data-label="key" {
                @if binding.routing_key.is_empty() { "any" } @else { code { (binding.routing_key) } }
            }
            td data-label="message" {
                @if let Some(version) = version { (frame::message(TOP, &version.message.name)) }
                @else { "messages that the broker dead-letters" }
            }
        }
    }
}

fn described(queue: &Queue) -> String {
    let kind = queue.arguments["x-queue-type"].as_str().unwrap_or("classic");
    let count = queue.bindings.len();
    format!("{kind}, {count} {}", if count == 1 { "binding" } else { "bindings" })
}

fn arguments(queue: &Queue) -> Markup {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    html! {
        @if let Some(arguments) = queue.arguments.as_object() {
            p .arguments { @for (name, value) in arguments { code { (name) "=" (text(value)) } " " } }
        }
    }
}
