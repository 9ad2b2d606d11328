//! Whom a break hits, by name.

use std::fmt::Write;

use schema_compat::{Break, Direction};
use serde::Serialize;

use crate::{
    Contracts, Kind, Message, MessageName,
    pair::{document, headline},
    pointer::{overlap, parent},
};

/// A break between two versions or two texts of a message, and whom it hits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// The break.
    #[serde(flatten)]
    pub shown: Break,
    /// The services that write the message.
    pub producers: Vec<String>,
    /// The services whose reading it breaks.
    pub consumers: Vec<Reader>,
}

/// A service that reads a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reader {
    /// The service.
    pub service: String,
    /// The version that it is written against.
    pub message: MessageName,
    /// The fields that it reads of those in question; `None` where its contract does not say, as of replies.
    pub reads: Option<Vec<String>>,
}

impl Contracts {
    /// The services that may write a message: its owner, or for a request those that ask its owner.
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

    /// Who reads a field of a message, what lies in it, or what it lies in; all of it where the path is empty. For a
    /// reply: all that ask its owner.
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
        // The whole message matters even to a service that only wants to know that it came.
        touched
            .filter(|reader| path.is_empty() || reader.reads.as_ref().is_some_and(|reads| !reads.is_empty()))
            .collect()
    }

    /// Whom a break between an old and a new version of a message hits. They may be two texts of the same version.
    pub(crate) fn hit(&self, old: &Message, new: &Message, shown: &Break) -> Hit {
        let (writer, readers) = match shown.direction {
            // Those that read the old one move to the new one some day.
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

/// Where a reader trips. A field too many is refused by whoever reads what it lies in.
fn place(shown: &Break) -> &str {
    match shown.rule {
        "field-refused" | "field-added-to-closed" | "field-name-narrowed" | "field-name-widened" => parent(&shown.path),
        _ => &shown.path,
    }
}

impl Hit {
    /// The break with whom it hits, for a person to read; each line begins with two spaces.
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
    /// The service and what it reads, on one line.
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
