//! The first page: every message, a search, and the overview picture.

use std::collections::BTreeSet;

use contracts::Kind;
use maud::{Markup, html};

use super::{KINDS, Site, Version, frame, meaning, newest, overview, page_of, search};
use crate::asyncapi::word;

/// Renders the first page.
pub(super) fn page(site: &Site) -> String {
    let (messages, services) = (site.topics.len(), site.contracts.services.len());
    let body = html! {
        h1 { "Messages between the services" }
        p .lead {
            (messages) " messages between " (services) " services. An event is a fact for any number of consumers, a request "
            "is a question to one service, a reply answers it, a job is work a service has put into its own queue."
        }
        (controls(site))
        section #picture {
            h2 { "How events flow" }
            (overview::picture(site))
        }
        section {
            h2 #count aria-live="polite" { "All " (messages) " messages" }
            (table(site))
            p #nothing hidden {
                "No matches. Try fewer letters or another word: the search covers names, fields, meanings and services."
            }
        }
        (search::index(site))
    };
    frame::page(site, "", "Start", body)
}

fn controls(site: &Site) -> Markup {
    let count = |kind: Kind| site.topics.values().filter(|versions| newest(versions).message.kind == kind).count();
    html! {
        search .controls {
            label .searchbox {
                span .hidden { "Search" }
                input #search type="search" placeholder="Name, field, meaning or service" autocomplete="off"
                    spellcheck="false";
                kbd aria-hidden="true" { "/" }
            }
            div .kinds role="group" aria-label="Kinds" {
                @for kind in KINDS {
                    button type="button" class={ "kind " (word(kind)) } data-kind=(word(kind)) aria-pressed="false" {
                        (plural(kind)) " " span .number { (count(kind)) }
                    }
                }
            }
        }
    }
}

fn table(site: &Site) -> Markup {
    html! {
        table .messages {
            thead { tr { th { "Message" } th { "Meaning" } th { "From" } th { "To" } } }
            tbody {
                @for (topic, versions) in &site.topics { (row(site, topic, versions)) }
            }
        }
    }
}

fn row(site: &Site, topic: &str, versions: &[Version]) -> Markup {
    let version = newest(versions);
    let name = &version.message.name;
    let senders: BTreeSet<&str> = versions.iter().flat_map(|one| one.flow.senders.iter().map(String::as_str)).collect();
    let receivers: BTreeSet<&str> = versions.iter().flat_map(|one| one.flow.receivers()).collect();
    html! {
        tr data-topic=(topic) data-kind=(word(version.message.kind)) {
            td .name {
                a .message href=(page_of(name)) { span .owner { (name.owner) "." } wbr; (name.name) }
                div .under {
                    (frame::kind(version.message.kind))
                    @for one in versions { span .version { "v" (one.message.name.version) } }
                }
            }
            td .meaning { (meaning(version.message)) div .found hidden {} }
            td data-label="from" { (frame::services(site, "", senders)) }
            td data-label="to" { (frame::services(site, "", receivers)) }
        }
    }
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Event => "events",
        Kind::Request => "requests",
        Kind::Reply => "replies",
        Kind::Job => "jobs",
    }
}
