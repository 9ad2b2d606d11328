//! A small temporary repository: two services and their messages.

use std::{fs, path::Path, process::Command};

use contracts::{Contracts, Release, Report, check_repository, release};
use serde_json::{Value, json};
use tempfile::TempDir;

/// `contacts.contact-added.v1`, which most tests use.
pub const ADDED: &str = "contacts/contact-added.v1.json";

pub struct Repository {
    folder: TempDir,
}

impl Repository {
    /// `contacts` publishes an event, answers a request and runs a job; `search` reads a part of the event, and sends
    /// the request.
    pub fn new() -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap() };
        made.schema(ADDED, contact_added());
        made.schema("contacts/get-contact.v1.json", get_contact("contact-view.v1"));
        made.schema("contacts/contact-view.v1.json", note(json!({"kind": "reply"}), &["name"]));
        made.schema("contacts/import-file.v1.json", note(json!({"kind": "job"}), &["file"]));
        made.service("contacts", contacts());
        made.service("search", search(&["/contact_id", "/name", "/emails/*"]));
        made
    }

    /// Creates the same repository, with every file released.
    pub fn released() -> Self {
        let made = Self::new();
        assert!(made.release().ok(), "{}", made.release());
        made
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn schema(&self, file: &str, schema: Value) {
        self.write(&format!("events/schemas/{file}"), &format!("{schema:#}\n"));
    }

    pub fn service(&self, name: &str, contract: Value) {
        self.write(&format!("services/{name}/contract.json"), &contract.to_string());
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).unwrap()
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path().join(file)).unwrap();
    }

    pub fn contracts(&self) -> Contracts {
        Contracts::read(self.path()).unwrap()
    }

    pub fn check(&self) -> Report {
        check_repository(self.path()).unwrap()
    }

    pub fn release(&self) -> Release {
        release(self.path(), false).unwrap()
    }

    /// Turns it into a git repository and commits everything.
    pub fn commit(&self) {
        self.git(&["init", "-q"]);
        self.git(&["add", "."]);
        self.git(&["-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-q", "-m", "all"]);
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE");
        let status = git.arg("-C").arg(self.path()).args(arguments).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    }
}

/// Returns the names of the broken rules in a report.
pub fn rules(report: &Report) -> Vec<&'static str> {
    report.problems.iter().map(|problem| problem.rule).collect()
}

/// Returns a schema with text fields, all of them required.
pub fn note(kith: Value, fields: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|field| ((*field).to_owned(), json!({"type": "string"}))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-kith": kith, "type": "object", "properties": properties, "required": fields
    })
}

pub fn contact_added() -> Value {
    let mut schema = note(json!({"kind": "event", "subject": "contact_id"}), &["contact_id", "name"]);
    schema["properties"]["emails"] = json!({"type": "array", "items": {"type": "string"}});
    schema["properties"]["company"] = json!({"type": "string"});
    schema
}

pub fn get_contact(reply: &str) -> Value {
    note(json!({"kind": "request", "reply": reply}), &["contact_id"])
}

pub fn contacts() -> Value {
    json!({
        "service": "contacts", "consumes": [],
        "answers": [{"message": "contacts.get-contact.v1", "reads": ["/contact_id"]}],
        "jobs": [{"message": "contacts.import-file.v1", "reads": ["/file"]}],
        "asks": [], "callers": ["search"],
        "topology": {
            "exchanges": [
                {"name": "events.contacts", "kind": "topic"}, {"name": "requests.contacts", "kind": "direct"},
                {"name": "jobs.contacts", "kind": "direct"}, {"name": "replies.search", "kind": "direct"},
                {"name": "dead.contacts", "kind": "fanout"}
            ],
            "queues": [
                lasting("contacts.jobs", "jobs.contacts", "import-file.v1"),
                {
                    "name": "contacts.requests", "arguments": {"x-max-length": 100000, "x-overflow": "drop-head"},
                    "bindings": [{"exchange": "requests.contacts", "routing_key": "get-contact.v1"}]
                }
            ]
        }
    })
}

pub fn search(reads: &[&str]) -> Value {
    json!({
        "service": "search", "consumes": [{"message": "contacts.contact-added.v1", "reads": reads}],
        "answers": [], "jobs": [], "asks": ["contacts"], "callers": [],
        "topology": {
            "exchanges": [
                {"name": "events.contacts", "kind": "topic"}, {"name": "requests.contacts", "kind": "direct"},
                {"name": "replies.search", "kind": "direct"}
            ],
            "queues": [lasting("search.events", "events.contacts", "contact-added.v1")]
        }
    })
}

fn lasting(name: &str, exchange: &str, key: &str) -> Value {
    json!({
        "name": name, "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 1000},
        "bindings": [{"exchange": exchange, "routing_key": key}]
    })
}
