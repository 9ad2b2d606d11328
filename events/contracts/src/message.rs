//! One message: its file, and what its name and its `x-kith` say.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ContractError, file::SchemaFile, name::MessageName, upcasters::Upcasters};

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A fact, for whoever listens.
    Event,
    /// A question or an order to one service, with one reply before a deadline.
    Request,
    /// The answer to a request.
    Reply,
    /// Work that a service has put in its own queue.
    Job,
}

/// A message, as its file has it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its name.
    pub name: MessageName,
    /// What it is for.
    pub kind: Kind,
    /// The reply to it, where it is a request that has one.
    pub reply: Option<MessageName>,
    /// The field that says what it is about.
    pub subject: Option<String>,
    /// Whether the code names an upcaster to it, which makes it from the version before.
    pub has_upcaster: bool,
    /// Its file.
    pub path: PathBuf,
    /// The text of its file.
    pub text: String,
    /// Its schema, as the file has it.
    pub schema: Value,
    /// Its schema with every other that it refers to inside it.
    pub bundled: Value,
}

impl Message {
    /// Its file below `events/schemas`, `contacts/contact-added.v1.json`.
    pub fn file(&self) -> String {
        format!("{}/{}.json", self.name.owner, self.name.key())
    }
}

/// What a file says beside its schema.
#[derive(Deserialize)]
struct Note {
    kind: Kind,
    reply: Option<String>,
    subject: Option<String>,
}

/// Every message of a repository.
pub(crate) fn read_all(repository: &Path) -> Result<BTreeMap<MessageName, Message>, ContractError> {
    let mut found = BTreeMap::new();
    for folder in sorted(&repository.join("events/schemas"))? {
        let owner = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let upcasters = Upcasters::read(repository, owner)?;
        for file in sorted(&folder)? {
            let message = read(&file, &upcasters)?;
            found.insert(message.name.clone(), message);
        }
    }
    Ok(found)
}

pub(crate) fn sorted(folder: &Path) -> Result<Vec<PathBuf>, ContractError> {
    let unreadable = |error| ContractError::Unreadable { path: folder.to_path_buf(), error };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path, upcasters: &Upcasters) -> Result<Message, ContractError> {
    let malformed = |why: String| ContractError::malformed(path, why);
    let name = name_of(path).ok_or_else(|| malformed("call it <owner>/<name>.v<number>.json".to_owned()))?;
    let SchemaFile { text, schema, bundled } = SchemaFile::read(path)?;
    let note = Note::deserialize(&schema["x-kith"]).map_err(|error| {
        malformed(format!(
            "x-kith: {error}; say {{\"kind\": \"event\"}}, or request, reply, job, and its subject or reply"
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
