//! Generates the Rust types of all messages from the schema files.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use typify::{TypeSpace, TypeSpaceSettings};

/// The end-of-support dates of old versions.
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

fn main() {
    println!("cargo:rerun-if-changed=schemas");
    println!("cargo:rerun-if-changed={RETIREMENTS}");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets this variable")).join("schemas");
    let mut services: BTreeMap<String, Vec<SchemaFile>> = BTreeMap::new();
    for folder in sorted(&root) {
        let service =
            folder.file_name().and_then(|name| name.to_str()).expect("the name of a folder is UTF-8").to_owned();
        let files = sorted(&folder).into_iter().map(|path| SchemaFile::read(path, &service)).collect();
        services.insert(service, files);
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets this variable"));
    let modules: String = services.iter().map(|(service, files)| module(service, files)).collect();
    fs::write(out.join("services.rs"), modules).expect("OUT_DIR is writable");
    let all: Vec<&SchemaFile> = services.values().flatten().collect();
    fs::write(out.join("samples.rs"), samples(&all)).expect("OUT_DIR is writable");
    let catalogue = catalogue(&all) + &retirements(&all);
    fs::write(out.join("catalogue.rs"), catalogue).expect("OUT_DIR is writable");
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    paths.sort();
    paths
}

/// Generates the Rust module of a service: its types, and the `Message` implementation of each message.
fn module(service: &str, files: &[SchemaFile]) -> String {
    let settings = TypeSpaceSettings::default().with_derive("PartialEq".to_owned()).clone();
    let mut types = TypeSpace::new(&settings);
    types.add_ref_types(definitions(files)).unwrap_or_else(|error| panic!("{service}: {error}"));
    let file = syn::parse2(types.to_stream()).expect("typify generates valid Rust");
    let body = prettyplease::unparse(&file);
    let messages: String = files.iter().map(message).collect();
    format!(
        "/// Messages of the service `{service}`.\n#[allow(missing_docs, clippy::all, clippy::unwrap_used)]\npub mod {service} {{\n{body}\n{messages}}}\n"
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
fn message(file: &SchemaFile) -> String {
    let SchemaFile { service, name, version, .. } = file;
    let type_name = file.type_name();
    let subject = match file.note("subject") {
        Some(field) => format!("Some(self.{field}.to_string())"),
        None => "None".to_owned(),
    };
    let kind = file.note("kind").unwrap_or_else(|| panic!("{}: x-kith.kind is missing", file.path.display()));
    let (kind, mark) = match kind {
        "event" => ("Event", format!("impl crate::Event for {type_name} {{}}\n")),
        "job" => ("Job", format!("impl crate::Job for {type_name} {{}}\n")),
        "reply" => ("Reply", String::new()),
        "request" => {
            let reply = file.note("reply").map_or_else(|| "()".to_owned(), reply_type);
            ("Request", format!("impl crate::Request for {type_name} {{ type Reply = {reply}; }}\n"))
        }
        other => panic!("{}: x-kith.kind is {other}: use event, request, reply or job", file.path.display()),
    };
    let path = file.path.display();
    format!(
        "impl crate::Message for {type_name} {{
    const SERVICE: &'static str = \"{service}\";
    const NAME: &'static str = \"{service}.{name}.v{version}\";
    const KEY: &'static str = \"{name}.v{version}\";
    const VERSION: u32 = {version};
    const KIND: crate::Kind = crate::Kind::{kind};
    const SCHEMA: &'static str = include_str!(\"{path}\");
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

/// Generates one function for each message that has an example.
fn samples(files: &[&SchemaFile]) -> String {
    let mut text = String::new();
    let mut services: BTreeMap<&str, Vec<&SchemaFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.has_example()) {
        services.entry(&file.service).or_default().push(file);
    }
    for (service, files) in services {
        text.push_str(&format!("/// Samples of the messages of `{service}`.\npub mod {service} {{\n"));
        for file in files {
            let (function, type_name) = (snake(&file.name, file.version), file.type_name());
            text.push_str(&format!(
                "/// The first example of `{service}.{}.v{}`.\npub fn {function}() -> crate::{service}::{type_name} {{ super::first_example() }}\n",
                file.name, file.version
            ));
        }
        text.push_str("}\n");
    }
    text
}

/// Generates the table of all messages.
fn catalogue(files: &[&SchemaFile]) -> String {
    let rows: String = files
        .iter()
        .map(|file| {
            // `entry_after` requires `Supersedes`: a type with a predecessor does not compile without an upcaster.
            let entry = if file.version > 1 { "entry_after" } else { "entry" };
            format!("    crate::catalogue::{entry}::<crate::{}::{}>(),\n", file.service, file.type_name())
        })
        .collect();
    format!("/// All messages.\npub static CATALOGUE: &[Entry] = &[\n{rows}];\n")
}

/// Generates the table of the end dates of old versions.
fn retirements(files: &[&SchemaFile]) -> String {
    let text = fs::read_to_string(RETIREMENTS).unwrap_or_else(|error| panic!("{RETIREMENTS}: {error}"));
    let dates: BTreeMap<String, String> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{RETIREMENTS}: {error}"));
    let is_there = |message: &str| {
        files.iter().any(|SchemaFile { service, name, version, .. }| message == format!("{service}.{name}.v{version}"))
    };
    if let Some(unknown) = dates.keys().find(|message| !is_there(message)) {
        panic!("{RETIREMENTS}: there is no message {unknown}");
    }
    let rows: String = dates.iter().map(|(message, date)| format!("    ({message:?}, {date:?}),\n")).collect();
    format!(
        "/// The end dates of old versions, from `events/retirements.json`.\nstatic RETIREMENTS: &[(&str, &str)] = &[\n{rows}];\n"
    )
}
