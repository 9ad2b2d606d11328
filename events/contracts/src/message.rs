//! A message: its file, and the properties in its name and its `x-kith`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ContractError,
    file::{SchemaFile, is_schema, sorted},
    name::MessageName,
    upcasters::Upcasters,
};

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A fact, for any number of consumers.
    Event,
    /// A question or a command to one service, with one reply before a deadline.
    Request,
    /// The reply to a request.
    Reply,
    /// Work that a service puts into its own queue.
    Job,
}

/// A message, as its file defines it.
#[derive(Clone, Debug)]
pub struct Message {
    /// The name.
    pub name: MessageName,
    /// The kind.
    pub kind: Kind,
    /// The reply, if it is a request that has one.
    pub reply: Option<MessageName>,
    /// The field that contains the subject.
    pub subject: Option<String>,
    /// Whether the code contains an upcaster to this version from the previous one.
    pub has_upcaster: bool,
    /// The path of its file.
    pub path: PathBuf,
    /// The text of its file.
    pub text: String,
    /// The schema, as in the file.
    pub schema: Value,
    /// The schema with all referenced schemas embedded.
    pub bundled: Value,
}

impl Message {
    /// Returns its file below `events/schemas`, `contacts/contact-added.v1.json`.
    pub fn file(&self) -> String {
        format!("{}/{}.json", self.name.owner, self.name.key())
    }
}

/// The properties of a file beside its schema.
#[derive(Deserialize)]
struct Note {
    kind: Kind,
    reply: Option<String>,
    subject: Option<String>,
}

/// Reads all messages of a repository.
pub(crate) fn read_all(repository: &Path) -> Result<BTreeMap<MessageName, Message>, ContractError> {
    let mut found = BTreeMap::new();
    for folder in sorted(&repository.join("events/schemas"))? {
        let owner = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let upcasters = Upcasters::read(repository, owner)?;
        for file in sorted(&folder)?.into_iter().filter(|file| is_schema(file)) {
            let message = read(&file, &upcasters)?;
            found.insert(message.name.clone(), message);
        }
    }
    Ok(found)
}

fn read(path: &Path, upcasters: &Upcasters) -> Result<Message, ContractError> {
    let malformed = |why: String| ContractError::malformed(path, why);
    let name = name_of(path).ok_or_else(|| malformed("rename it to <owner>/<name>.v<number>.json".to_owned()))?;
    let SchemaFile { text, schema, bundled } = SchemaFile::read(path)?;
    let note = Note::deserialize(&schema["x-kith"]).map_err(|error| {
        malformed(format!(
            "x-kith: {error}; write {{\"kind\": \"event\"}}, or request, reply, job, and its subject or reply"
        ))
    })?;
    let reply = match note.reply {
        Some(reply) => Some(format!("{}.{reply}", name.owner).parse().map_err(malformed)?),
        None => None,
    };
    let Note { kind, subject, .. } = note;
    let has_upcaster = upcasters.lead_to(&name);
    Ok(Message { name, kind, reply, subject, has_upcaster, path: path.to_path_buf(), text, schema, bundled })
}

fn name_of(path: &Path) -> Option<MessageName> {
    let owner = path.parent()?.file_name()?.to_str()?;
    let key = path.file_name()?.to_str()?.strip_suffix(".json")?;
    format!("{owner}.{key}").parse().ok()
}
