//! Generates the Rust types of a producer's messages from its schema files, for the build script of its package.
//!
//! The package's folder has the name of the producer. It contains the schema files, `contact-added.v1.json`, and possibly
//! `retirements.json`: the end of support of old versions, `{"contact-added.v1": "2027-06-30"}`. The package includes the
//! generated file, and has an implementation of `events::versions::Supersedes` for each message with a previous version:
//!
//! ```ignore
//! include!(concat!(env!("OUT_DIR"), "/messages.rs"));
//! ```

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use typify::{TypeSpace, TypeSpaceSettings};

/// The file with the end-of-support dates of old versions.
const RETIREMENTS: &str = "retirements.json";

/// A schema file, with the parts of its name.
struct SchemaFile {
    path: PathBuf,
    service: String,
    name: String,
    version: u32,
    schema: Map<String, Value>,
}

impl SchemaFile {
    fn read(path: PathBuf, service: &str) -> Self {
        let file_name = path.file_name().and_then(|name| name.to_str()).expect("the name of a schema file is UTF-8");
        let (name, version) = file_name
            .strip_suffix(".json")
            .and_then(|stem| stem.rsplit_once(".v"))
            .and_then(|(name, version)| Some((name.to_owned(), version.parse().ok()?)))
            .unwrap_or_else(|| panic!("{file_name}: rename it to <name>.v<number>.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let schema = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, service: service.to_owned(), name, version, schema }
    }

    fn type_name(&self) -> String {
        type_name(&self.name, self.version)
    }

    /// The routing key, `contact-added.v1`.
    fn key(&self) -> String {
        format!("{}.v{}", self.name, self.version)
    }

    fn note(&self, key: &str) -> Option<&str> {
        self.schema["x-kith"].get(key).and_then(Value::as_str)
    }

    /// Whether the schema has an example, from which the sample is generated.
    fn has_example(&self) -> bool {
        self.schema.get("examples").and_then(Value::as_array).is_some_and(|examples| !examples.is_empty())
    }
}

/// `contact-added`, 1 becomes `ContactAdded`; from version 2 on, the version is part of the name.
fn type_name(name: &str, version: u32) -> String {
    let mut text = String::new();
    for word in name.split('-') {
        let (first, rest) = word.split_at(1);
        text.push_str(&first.to_uppercase());
        text.push_str(rest);
    }
    if version > 1 {
        text.push_str(&format!("V{version}"));
    }
    text
}

fn snake(name: &str, version: u32) -> String {
    let name = name.replace('-', "_");
    if version > 1 { format!("{name}_v{version}") } else { name }
}

/// Generates `messages.rs` in the build script's output folder.
///
/// # Panics
/// With what to do, if a schema file cannot be used. It ends the build.
pub fn generate() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets this variable"));
    let service = root.file_name().and_then(|name| name.to_str()).expect("the name of a folder is UTF-8").to_owned();
    println!("cargo:rerun-if-changed=build.rs");
    let retirements = retirements(&root);
    let mut files = Vec::new();
    for path in sorted(&root) {
        if path.extension().is_some_and(|extension| extension == "json") && !path.ends_with(RETIREMENTS) {
            println!("cargo:rerun-if-changed={}", path.display());
            files.push(SchemaFile::read(path, &service));
        }
    }
    // A new file changes the folder.
    println!("cargo:rerun-if-changed=.");
    if let Some(unknown) = retirements.keys().find(|key| !files.iter().any(|file| file.key() == **key)) {
        panic!("{RETIREMENTS}: there is no message {unknown}");
    }
    let text = messages(&service, &files, &retirements);
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets this variable"));
    fs::write(out.join("messages.rs"), text).expect("OUT_DIR is writable");
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.sort();
    paths
}

/// Generates the types of the messages, their implementations of `Message`, the package, and the samples.
fn messages(service: &str, files: &[SchemaFile], retirements: &BTreeMap<String, String>) -> String {
    let settings = TypeSpaceSettings::default().with_derive("PartialEq".to_owned()).clone();
    let mut types = TypeSpace::new(&settings);
    types.add_ref_types(definitions(files)).unwrap_or_else(|error| panic!("{service}: {error}"));
    let file = syn::parse2(types.to_stream()).expect("typify generates valid Rust");
    let body = prettyplease::unparse(&file);
    let messages: String = files.iter().map(|file| message(file, retirements.get(&file.key()))).collect();
    format!(
        "#[allow(missing_docs, clippy::all, clippy::unwrap_used)]\nmod messages {{\n{body}\n{messages}}}\npub use messages::*;\n{}{}",
        package(service, files),
        samples(files)
    )
}

/// Collects all messages and `$defs` entries of a service by name, and rewrites their references accordingly.
fn definitions(files: &[SchemaFile]) -> Vec<(String, schemars::schema::Schema)> {
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for file in files {
        let mut schema = file.schema.clone();
        for key in ["$schema", "$id", "x-kith", "examples"] {
            schema.remove(key);
        }
        let inner = schema.remove("$defs").and_then(|defs| defs.as_object().cloned()).unwrap_or_default();
        for (name, definition) in inner.into_iter().chain([(file.type_name(), Value::Object(schema))]) {
            let definition = with_local_references(definition);
            match found.get(&name) {
                Some(other) if *other != definition => {
                    panic!("{}: {name} has two different definitions in this service", file.path.display())
                }
                _ => found.insert(name, definition),
            };
        }
    }
    let schema = |value| serde_json::from_value(value).expect("a schema file contains a JSON Schema");
    found.into_iter().map(|(name, value)| (name, schema(value))).collect()
}

/// Rewrites `contact-view.v1.json` and `#/$defs/Degree` to `#/definitions/...`, as typify expects.
fn with_local_references(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| match (key.as_str(), value) {
                ("$ref", Value::String(target)) => (key, Value::String(local_reference(&target))),
                (_, value) => (key, with_local_references(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(with_local_references).collect(),
        other => other,
    }
}

fn local_reference(target: &str) -> String {
    let name = match target.strip_prefix("#/$defs/") {
        Some(name) => name.to_owned(),
        None => {
            let (name, version) = target
                .strip_suffix(".json")
                .and_then(|stem| stem.rsplit_once(".v"))
                .unwrap_or_else(|| panic!("{target}: invalid reference: use #/$defs/<Name> or <name>.v<number>.json"));
            type_name(name, version.parse().expect("a version is a number"))
        }
    };
    format!("#/definitions/{name}")
}

/// Generates the implementations of `Message` and of the trait of its kind.
fn message(file: &SchemaFile, retires: Option<&String>) -> String {
    let SchemaFile { service, name, version, .. } = file;
    let type_name = file.type_name();
    let subject = match file.note("subject") {
        Some(field) => format!("Some(self.{field}.to_string())"),
        None => "None".to_owned(),
    };
    let kind = file.note("kind").unwrap_or_else(|| panic!("{}: x-kith.kind is missing", file.path.display()));
    let (kind, mark) = match kind {
        "event" => ("Event", format!("impl ::events::Event for {type_name} {{}}\n")),
        "job" => ("Job", format!("impl ::events::Job for {type_name} {{}}\n")),
        "reply" => ("Reply", String::new()),
        "request" => {
            let reply = file.note("reply").map_or_else(|| "()".to_owned(), reply_type);
            ("Request", format!("impl ::events::Request for {type_name} {{ type Reply = {reply}; }}\n"))
        }
        other => panic!("{}: x-kith.kind is {other}: use event, request, reply or job", file.path.display()),
    };
    let path = file.path.display();
    // `superseding` requires `Supersedes`: a type with a predecessor does not compile without an upcaster.
    let entry = if *version > 1 { "superseding" } else { "of" };
    let retires = retires.map_or_else(String::new, |date| format!(".retiring({date:?})"));
    format!(
        "impl ::events::Message for {type_name} {{
    const SERVICE: &'static str = \"{service}\";
    const NAME: &'static str = \"{service}.{name}.v{version}\";
    const KEY: &'static str = \"{name}.v{version}\";
    const VERSION: u32 = {version};
    const KIND: ::events::Kind = ::events::Kind::{kind};
    const SCHEMA: &'static str = include_str!(\"{path}\");
    const ENTRY: &'static ::events::catalogue::Entry = &::events::catalogue::Entry::{entry}::<Self>(){retires};
    fn package() -> &'static ::events::catalogue::Package {{ &super::PACKAGE }}
    fn subject(&self) -> Option<String> {{ {subject} }}
}}
{mark}"
    )
}

fn reply_type(reply: &str) -> String {
    let (name, version) =
        reply.rsplit_once(".v").unwrap_or_else(|| panic!("{reply}: invalid reply: use <name>.v<number>"));
    type_name(name, version.parse().expect("a version is a number"))
}

/// Generates the package: the table of all messages.
fn package(service: &str, files: &[SchemaFile]) -> String {
    let row = |file: &SchemaFile| format!("    <{} as ::events::Message>::ENTRY,\n", file.type_name());
    let rows: String = files.iter().map(row).collect();
    format!(
        "/// All messages of {service}.\npub static PACKAGE: ::events::catalogue::Package = ::events::catalogue::Package {{ service: {service:?}, messages: &[\n{rows}] }};\n"
    )
}

/// Generates one function for each message that has an example.
fn samples(files: &[SchemaFile]) -> String {
    let sample = |file: &SchemaFile| {
        let SchemaFile { service, name, version, .. } = file;
        let (function, type_name) = (snake(name, *version), file.type_name());
        format!(
            "/// The first example of `{service}.{name}.v{version}`.\npub fn {function}() -> super::{type_name} {{ ::events::first_example() }}\n"
        )
    };
    let functions: String = files.iter().filter(|file| file.has_example()).map(sample).collect();
    format!(
        "/// Samples of the messages, for tests: the first example of each schema.\npub mod samples {{\n{functions}}}\n"
    )
}

/// Reads the end dates of old versions, by message: `contact-added.v1`.
fn retirements(root: &Path) -> BTreeMap<String, String> {
    let path = root.join(RETIREMENTS);
    if !path.exists() {
        return BTreeMap::new();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
