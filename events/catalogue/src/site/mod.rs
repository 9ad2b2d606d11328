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

/// What the pages are made from.
struct Site<'a> {
    contracts: &'a Contracts,
    /// When the events were last seen, where that was asked.
    seen: Option<&'a Seen>,
    /// Every message by the name that its versions share, `contacts.contact-added`.
    topics: BTreeMap<String, Vec<Version<'a>>>,
}

/// One version of a message.
struct Version<'a> {
    message: &'a Message,
    flow: Flow,
    fields: Vec<Field>,
    /// Its examples, with personal data masked.
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

    /// The services, in their order; it also gives each its colour.
    fn services(&self) -> impl Iterator<Item = &str> {
        self.contracts.services.keys().map(String::as_str)
    }

    /// The colour of a service, as the end of a class; those who are no service have none.
    fn hue(&self, service: &str) -> String {
        self.services().position(|name| name == service).map_or_else(|| "none".to_owned(), |at| (at % 8).to_string())
    }

    /// Every version of every message.
    fn versions(&self) -> impl Iterator<Item = &Version<'a>> {
        self.topics.values().flatten()
    }
}

/// The newest of some versions. A topic has at least one.
fn newest<'v, 'a>(versions: &'v [Version<'a>]) -> &'v Version<'a> {
    &versions[versions.len() - 1]
}

/// The name that all versions of a message share.
fn topic_of(name: &MessageName) -> String {
    format!("{}.{}", name.owner, name.name)
}

/// The page of a message, from the top of the site.
fn page_of(name: &MessageName) -> String {
    format!("messages/{}.html#v{}", topic_of(name), name.version)
}

/// The schema of a message, from the top of the site.
fn schema_of(name: &MessageName) -> String {
    format!("schemas/{}/{}.json", name.owner, name.key())
}

/// A schema's description.
fn meaning(message: &Message) -> &str {
    message.schema["description"].as_str().unwrap_or_default()
}

/// A field's path as people write it, `people.*.name`.
fn dotted(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".")
}

/// The kinds in the order that people meet them in.
const KINDS: [Kind; 4] = [Kind::Event, Kind::Request, Kind::Reply, Kind::Job];

/// The files of the site.
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

/// The schema as its file has it, with personal data in its examples masked.
fn schema_file(version: &Version) -> String {
    let mut schema = rewritten(&version.message.schema, &without_examples);
    if !version.examples.is_empty() {
        schema["examples"] = version.examples.clone().into();
    }
    format!("{schema:#}\n")
}
