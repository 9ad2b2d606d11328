//! The services that a break affects.

use std::fmt::Write;

use schema_compat::{Break, Direction};
use serde::Serialize;

use crate::{
    Contracts, Kind, Message, MessageName,
    pair::{document, headline},
    pointer::{overlap, parent},
};

/// A break between two versions or two texts of a message, and the services that it affects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// The break.
    #[serde(flatten)]
    pub shown: Break,
    /// The services that write the message.
    pub producers: Vec<String>,
    /// The services whose reads it breaks.
    pub consumers: Vec<Reader>,
}

/// A service that reads a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reader {
    /// The service.
    pub service: String,
    /// The version that it consumes.
    pub message: MessageName,
    /// The affected fields that it reads; `None` if its contract does not list them, as for replies.
    pub reads: Option<Vec<String>>,
}

impl Contracts {
    /// Returns the services that may write a message: its owner, or for a request the callers of its owner.
    pub fn writers_of(&self, message: &Message) -> Vec<String> {
        match message.kind {
            Kind::Event | Kind::Reply | Kind::Job => vec![message.name.owner.clone()],
            Kind::Request => self.askers_of(&message.name.owner),
        }
    }

    fn askers_of(&self, owner: &str) -> Vec<String> {
        let asks = self.services.values().filter(|service| service.asks.iter().any(|asked| asked == owner));
        asks.map(|service| service.service.clone()).collect()
    }

    /// Returns the readers of a field of a message, of a part of the field, or of the object around it; of the whole
    /// message if the path is empty. For a reply: all callers of its owner.
    pub(crate) fn readers_at(&self, message: &Message, path: &str) -> Vec<Reader> {
        let name = &message.name;
        if message.kind == Kind::Reply {
            let reader = |service| Reader { service, message: name.clone(), reads: None };
            return self.askers_of(&name.owner).into_iter().map(reader).collect();
        }
        let touched = self.readers_of(name).map(|(service, reading)| {
            let reads: Vec<_> = reading.innermost().filter(|read| overlap(read, path)).cloned().collect();
            Reader { service: service.to_owned(), message: name.clone(), reads: Some(reads) }
        });
        // The whole message matters even to a service that reads none of its fields.
        touched
            .filter(|reader| path.is_empty() || reader.reads.as_ref().is_some_and(|reads| !reads.is_empty()))
            .collect()
    }

    /// Returns the services that a break between an old and a new version affects; both may be texts of one version.
    pub(crate) fn hit(&self, old: &Message, new: &Message, shown: &Break) -> Hit {
        let (writer, readers) = match shown.direction {
            // Readers of the old version will move to the new one.
            Direction::Backward => (old, vec![old, new]),
            Direction::Forward => (new, vec![old]),
        };
        let mut consumers: Vec<Reader> = Vec::new();
        for reader in readers.into_iter().flat_map(|message| self.readers_at(message, place(shown))) {
            if !consumers.contains(&reader) {
                consumers.push(reader);
            }
        }
        Hit { shown: shown.clone(), producers: self.writers_of(writer), consumers }
    }
}

/// Returns the place where a reader fails. An unexpected field is rejected by the reader of the object around it.
fn place(shown: &Break) -> &str {
    match shown.rule {
        "field-refused" | "field-added-to-closed" | "field-name-narrowed" | "field-name-widened" => parent(&shown.path),
        _ => &shown.path,
    }
}

impl Hit {
    /// Formats the break and the affected services; each line begins with two spaces.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("  {}\n", headline(&self.shown));
        let producers = if self.producers.is_empty() { "no service of ours".into() } else { self.producers.join(", ") };
        let _ = writeln!(text, "    written by {producers}");
        if self.consumers.is_empty() {
            text.push_str("    no consumer of ours reads it\n");
        }
        for reader in &self.consumers {
            let _ = writeln!(text, "    hits {}", reader.text());
        }
        let _ = writeln!(text, "    that is, {}", self.shown.hits);
        let document = document(&self.shown);
        if !document.is_empty() {
            let _ = write!(text, "  {document}");
        }
        text
    }
}

impl Reader {
    /// Formats the service and the fields that it reads, on one line.
    pub(crate) fn text(&self) -> String {
        let Self { service, message, reads } = self;
        match reads {
            Some(reads) if reads.is_empty() => format!("{service}, which reads no field of {message}"),
            Some(reads) => format!("{service}, which reads {} of {message}", reads.join(", ")),
            None => {
                format!("{service}, which may ask for {message}; its contract does not say what it reads of replies")
            }
        }
    }
}
