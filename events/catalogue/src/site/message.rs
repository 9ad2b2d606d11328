//! The page of a message: all versions, the changes between them, and the senders and readers of each.

use chrono::{DateTime, Utc};
use contracts::{Kind, MessageName, Seen, Sighting};
use maud::{Markup, html};
use serde_json::Value;

use super::{Site, Version, changelog, frame, meaning, newest, schema_of, tables, topic_of, way};
use crate::{envelope, flow::requests_for};

const TOP: &str = "../";

/// Renders the page of a message, given its versions from oldest to newest.
pub(super) fn page(site: &Site, versions: &[Version]) -> String {
    let latest = newest(versions).message;
    let body = html! {
        p .crumbs {
            a href={ (TOP) "index.html" } { "All messages" } " / " (frame::service(site, TOP, &latest.name.owner))
        }
        h1 { span .owner { (latest.name.owner) "." } wbr; (latest.name.name) }
        div .under { (frame::kind(latest.kind)) (versions_bar(versions)) }
        p .lead { (meaning(latest)) }
        @for (index, version) in versions.iter().enumerate().rev() {
            (section(site, version, meaning(version.message) != meaning(latest)))
            @if index > 0 { (changelog::step(&versions[index - 1], version)) }
        }
    };
    frame::page(site, TOP, &topic_of(&latest.name), body)
}

fn versions_bar(versions: &[Version]) -> Markup {
    html! {
        span .versions {
            @for (age, version) in versions.iter().rev().enumerate() {
                @let number = version.message.name.version;
                a .version href={ "#v" (number) } {
                    "v" (number) @if versions.len() > 1 && age == 0 { " newest" }
                }
            }
        }
    }
}

fn section(site: &Site, version: &Version, means_other: bool) -> Markup {
    let message = version.message;
    let number = message.name.version;
    html! {
        article .version-of id={ "v" (number) } {
            h2 { "Version " (number) }
            @if means_other { p { (meaning(message)) } }
            (facts(site, version))
            (picture(site, version))
            @if !version.flow.hops.is_empty() { h3 { "Readers" } (tables::receivers(site, TOP, version)) }
            h3 { "Fields" }
            (tables::fields(site, TOP, version))
            div .columns {
                @for example in &version.examples { (shown(site, version, example)) }
            }
        }
    }
}

fn facts(site: &Site, version: &Version) -> Markup {
    let message = version.message;
    let file = schema_of(&message.name);
    html! {
        dl .facts {
            dt { "Full name" } dd { code { (message.name) } }
            dt { "Owner" } dd { (frame::service(site, TOP, &message.name.owner)) }
            dt { "Sent by" } dd { (frame::services(site, TOP, version.flow.senders.iter().map(String::as_str))) }
            dt { "Read by" } dd { (frame::services(site, TOP, version.flow.receivers())) }
            @if let Some(date) = site.contracts.retirements.get(&message.name) {
                dt { "Retires" } dd { (date) "; use the newest version" }
            }
            @if let Some(seen) = site.seen.filter(|_| message.kind == Kind::Event) {
                dt { "Last seen" } dd { (last_seen(seen, &message.name)) }
            }
            @if let Some(subject) = &message.subject { dt { "In order per" } dd { code { (subject) } } }
            @if message.kind == Kind::Request { dt { "Reply" } dd { (reply(version)) } }
            @if message.kind == Kind::Reply { dt { "Answers" } dd { (answers(site, version)) } }
            dt { "For tools" } dd {
                a href={ (TOP) (file) } { "JSON Schema" } " · "
                a href={ (TOP) "asyncapi/" (message.name.owner) ".json" } { "AsyncAPI of " (message.name.owner) }
            }
        }
    }
}

/// Formats when an event was last published, as far as its owner's history reaches.
fn last_seen(seen: &Seen, name: &MessageName) -> String {
    let time = |time: &DateTime<Utc>| time.format("%Y-%m-%d %H:%M UTC").to_string();
    let read_at = time(&seen.read_at);
    match (seen.messages.get(name), seen.histories.get(&name.owner)) {
        (Some(Sighting { last, count }), Some(Some(since))) => {
            format!("{}, {count} since {} (as of {read_at})", time(last), time(since))
        }
        (None, Some(Some(since))) => format!("not since {} (as of {read_at})", time(since)),
        _ => format!("never: the history of {} was empty on {read_at}", name.owner),
    }
}

fn reply(version: &Version) -> Markup {
    html! {
        @match &version.message.reply {
            Some(reply) => (frame::message(TOP, reply)),
            None => "only the confirmation",
        }
        ", or a problem"
    }
}

fn answers(site: &Site, version: &Version) -> Markup {
    html! {
        @for (index, request) in requests_for(site.contracts, &version.message.name).enumerate() {
            @if index > 0 { ", " }
            (frame::message(TOP, &request.name))
        }
    }
}

fn picture(site: &Site, version: &Version) -> Markup {
    let key = version.message.name.key();
    let note = if version.message.kind == Kind::Reply { "the calling instance" } else { &key };
    html! {
        (way::picture(site, TOP, &version.flow, note))
        @if version.message.kind == Kind::Request {
            h3 { "Route of the reply" }
            (way::picture(site, TOP, &version.flow.back(), "the calling instance"))
        }
    }
}

fn shown(site: &Site, version: &Version, example: &Value) -> Markup {
    html! {
        section {
            h3 { "Example" }
            @if version.fields.iter().any(|field| field.personal) { p .aside { "Personal data is masked: •••" } }
            (frame::json(example))
        }
        section {
            h3 { "Its headers " span .aside { "CloudEvents 1.0" } }
            (tables::headers(&envelope::example(site.contracts, version.message, example)))
        }
    }
}
