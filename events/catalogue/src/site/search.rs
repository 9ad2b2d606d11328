//! The search index: it is embedded in the page, so that the search needs no server.

use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};
use serde::Serialize;

use super::{Site, Version, meaning, newest};
use crate::asyncapi::word;

/// The searchable text of one message.
#[derive(Serialize)]
struct Entry<'a> {
    /// The table row that shows it.
    topic: &'a str,
    kind: &'static str,
    meaning: &'a str,
    services: BTreeSet<&'a str>,
    /// The path and description of each field, over all versions.
    fields: BTreeSet<(&'a str, &'a str)>,
}

/// Renders the index as a part of the page.
pub(super) fn index(site: &Site) -> Markup {
    let entries: Vec<Entry> = site.topics.iter().map(|(topic, versions)| entry(topic, versions)).collect();
    let text = serde_json::to_string(&entries).unwrap_or_default();
    // HTML does not escape the content of scripts; without `<`, nothing can end the script.
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
