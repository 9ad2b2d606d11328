//! The static site: plain pages that work from a folder, without a server.

mod changelog;
mod frame;
mod message;
mod overview;
mod search;
mod service;
mod start;
mod tables;
mod way;

use std::collections::BTreeMap;

use contracts::{Contracts, Kind, Message, MessageName, Seen};
use serde_json::Value;

use crate::{
    Files, Flow,
    asyncapi::examples,
    fields::{Field, fields},
    schema::{rewritten, without_examples},
};

/// The data of the pages.
struct Site<'a> {
    contracts: &'a Contracts,
    /// The times at which events were last seen, if given.
    seen: Option<&'a Seen>,
    /// The messages by the name that their versions share, `contacts.contact-added`.
    topics: BTreeMap<String, Vec<Version<'a>>>,
}

/// One version of a message.
struct Version<'a> {
    message: &'a Message,
    flow: Flow,
    fields: Vec<Field>,
    /// The examples, with personal data masked.
    examples: Vec<Value>,
}

impl<'a> Site<'a> {
    fn of(contracts: &'a Contracts, seen: Option<&'a Seen>) -> Self {
        let mut topics: BTreeMap<String, Vec<Version>> = BTreeMap::new();
        for message in contracts.messages.values() {
            topics.entry(topic_of(&message.name)).or_default().push(Version {
                message,
                flow: Flow::of(contracts, message),
                fields: fields(&message.bundled),
                examples: examples(message).collect(),
            });
        }

        topics.values_mut().for_each(|versions| versions.sort_by_key(|version| version.message.name.version));
        Self { contracts, seen, topics }
    }

    /// Returns the services in a fixed order, which also determines their colours.
    fn services(&self) -> impl Iterator<Item = &str> {
        self.contracts.services.keys().map(String::as_str)
    }

    /// Returns the colour of a service, as a class suffix; empty for a name that is not a service.
    fn hue(&self, service: &str) -> String {
        self.services().position(|name| name == service).map_or_else(|| "none".to_owned(), |at| (at % 8).to_string())
    }

    /// Returns all versions of all messages.
    fn versions(&self) -> impl Iterator<Item = &Version<'a>> {
        self.topics.values().flatten()
    }
}

/// Returns the newest version of a topic, which has at least one.
fn newest<'v, 'a>(versions: &'v [Version<'a>]) -> &'v Version<'a> {
    &versions[versions.len() - 1]
}

/// Returns the name that all versions of a message share.
fn topic_of(name: &MessageName) -> String {
    format!("{}.{}", name.owner, name.name)
}

/// Returns the page of a message, relative to the top of the site.
fn page_of(name: &MessageName) -> String {
    format!("messages/{}.html#v{}", topic_of(name), name.version)
}

/// Returns the schema of a message, relative to the top of the site.
fn schema_of(name: &MessageName) -> String {
    format!("schemas/{}/{}.json", name.owner, name.key())
}

/// Returns a schema's description.
fn meaning(message: &Message) -> &str {
    message.schema["description"].as_str().unwrap_or_default()
}

/// Formats a field's path for people, `people.*.name`.
fn dotted(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".")
}

/// The kinds, in display order.
const KINDS: [Kind; 4] = [Kind::Event, Kind::Request, Kind::Reply, Kind::Job];

/// Returns the files of the site.
pub(crate) fn files(contracts: &Contracts, seen: Option<&Seen>) -> Files {
    let site = Site::of(contracts, seen);
    let mut files = Files::from([
        ("index.html".to_owned(), start::page(&site)),
        ("style.css".to_owned(), include_str!("assets/style.css").to_owned()),
        ("catalogue.js".to_owned(), include_str!("assets/catalogue.js").to_owned()),
    ]);
    for (topic, versions) in &site.topics {
        files.insert(format!("messages/{topic}.html"), message::page(&site, versions));
    }
    for service in contracts.services.values() {
        files.insert(format!("services/{}.html", service.service), service::page(&site, service));
    }
    for version in site.versions() {
        files.insert(schema_of(&version.message.name), schema_file(version));
    }
    files
}

/// Returns the schema as in its file, with personal data in its examples masked.
fn schema_file(version: &Version) -> String {
    let mut schema = rewritten(&version.message.schema, &without_examples);
    if !version.examples.is_empty() {
        schema["examples"] = version.examples.clone().into();
    }
    format!("{schema:#}\n")
}
