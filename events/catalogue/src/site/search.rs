//! The index of the search: it lies in the page, so that searching needs no server.

use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};
use serde::Serialize;

use super::{Site, Version, meaning, newest};
use crate::asyncapi::word;

/// What can be found of one message.
#[derive(Serialize)]
struct Entry<'a> {
    /// The row that it is shown in.
    topic: &'a str,
    kind: &'static str,
    meaning: &'a str,
    services: BTreeSet<&'a str>,
    /// Each field's path and description, over all versions.
    fields: BTreeSet<(&'a str, &'a str)>,
}

/// The index as a part of the page.
pub(super) fn index(site: &Site) -> Markup {
    let entries: Vec<Entry> = site.topics.iter().map(|(topic, versions)| entry(topic, versions)).collect();
    let text = serde_json::to_string(&entries).unwrap_or_default();
    // Inside a script nothing is escaped by HTML's rules; without `<` nothing can end it.
    let text = text.replace('<', "\\u003c");
    html! { script #index type="application/json" { (PreEscaped(text)) } }
}

fn entry<'a>(topic: &'a str, versions: &'a [Version<'a>]) -> Entry<'a> {
    let message = newest(versions).message;
    let flows = || versions.iter().map(|version| &version.flow);
    let fields = versions.iter().flat_map(|version| &version.fields);
    Entry {
        topic,
        kind: word(message.kind),
        meaning: meaning(message),
        services: flows()
            .flat_map(|flow| flow.senders.iter().map(String::as_str).chain(flow.receivers()))
            .chain([&*message.name.owner])
            .collect(),
        fields: fields.map(|field| (&*field.path, &*field.description)).collect(),
    }
}
