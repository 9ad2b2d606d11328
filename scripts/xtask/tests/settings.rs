//! No password of the settings is displayed: not by the `config` command, not in errors, and not in logs.

#![allow(clippy::unwrap_used, reason = "a test should fail on an unexpected value")]

#[macro_use]
mod every_service;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use skeleton::{Environment, Service, Settings, store::Store, testing::Logs};

const PASSWORD: &str = "hunter2";

/// The secrets without a default, by section and key.
const SECRETS: [(&str, &str); 7] = [
    ("broker", "password"),
    ("store", "password"),
    ("mail", "password"),
    ("log", "sentry_dsn"),
    ("tokens", "signing_key"),
    ("tokens", "previous_keys"),
    ("identity", "pepper"),
];

/// The sections with secrets that every service has.
const COMMON: [&str; 3] = ["broker", "store", "log"];

/// The settings of a service with a password in each secret and in each URL. Returns the changed keys as well.
fn with_passwords<S: Store>(service: &Service<S>) -> (Settings, Vec<String>) {
    let mut settings = Settings::read_with(service.name(), service.defaults(), HashMap::new()).unwrap();
    let mut changed = Vec::new();
    for line in settings.to_text().lines() {
        let (name, value) = line.split_once(" = ").unwrap();
        let (section, key) = name.rsplit_once('.').unwrap();
        let Some((scheme, place)) = value.split_once("://") else { continue };
        let place = place.split_once('@').map_or(place, |(_, place)| place);
        settings.set(section, key, format!("{scheme}://{}:{PASSWORD}@{place}", service.name()));
        changed.push(name.to_owned());
    }
    for (section, key) in SECRETS {
        if COMMON.contains(&section) || service.defaults().contains(&format!("[{section}]")) {
            settings.set(section, key, PASSWORD);
            changed.push(format!("{section}.{key}"));
        }
    }
    (settings, changed)
}

fn shows_no_password<S: Store>(service: &Service<S>) {
    let (settings, changed) = with_passwords(service);

    let text = settings.to_text();

    assert!(changed.len() >= COMMON.len() + 2, "{changed:?}");
    assert!(!text.contains(PASSWORD), "{text}");
    for name in changed {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        assert!(line.contains("(hidden)"), "{line}");
    }
}

#[test]
fn the_settings_of_every_service_are_displayed_without_passwords() {
    macro_rules! check {
        ($service:ident) => {
            shows_no_password(&$service::service())
        };
    }
    every_service!(check);
}

#[test]
fn every_setting_of_the_type_secret_is_hidden_by_its_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut fields = BTreeSet::new();
    for folder in ["skeleton/src", "services"] {
        fields_in(&root.join(folder), &mut fields);
    }
    let mut settings = Settings::read_with("contacts", "", HashMap::new()).unwrap();
    for field in &fields {
        settings.set("section", field, PASSWORD);
    }

    assert!(fields.len() >= 4, "{fields:?}");
    assert!(!settings.to_text().contains(PASSWORD), "{}", settings.to_text());
}

/// The names of the fields of the type `Secret` in the source files of a folder.
fn fields_in(folder: &Path, fields: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fields_in(&path, fields);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let declared = text.lines().filter_map(|line| line.trim().strip_suffix(": Secret,"));
            fields.extend(declared.map(|field| field.trim_start_matches("pub ").to_owned()));
        }
    }
}

/// A private key made from one byte: PKCS#8's prefix for Ed25519, then 32 bytes of seed.
fn signing_key() -> String {
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([7; 32]);
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
}

/// Starts a service with these settings, and returns the error with which it gives up.
async fn error_of<S: Store>(service: Service<S>, settings: Settings) -> String {
    let name = service.name();
    let starting = service.start(settings, Environment::system());
    match tokio::time::timeout(Duration::from_secs(60), Box::pin(starting)).await {
        Ok(Err(error)) => format!("{error} {error:?}"),
        Ok(Ok(_)) => panic!("{name} starts"),
        Err(_) => panic!("{name} neither starts nor gives up"),
    }
}

/// Tries a wrong URL in each setting that has one, and a server that does not answer.
async fn tells_no_password<S: Store>(service: fn() -> Service<S>) {
    let (mut settings, changed) = with_passwords(&service());
    settings.set("life", "startup_timeout_s", 1);
    settings.set("admin", "address", "127.0.0.1:0");
    if settings.section::<HashMap<String, serde_json::Value>>("http").is_ok_and(|http| !http.is_empty()) {
        settings.set("http", "address", "127.0.0.1:0");
    }
    if settings.to_text().contains("tokens.") {
        settings.set("tokens", "signing_key", signing_key());
        settings.set("tokens", "previous_keys", "");
    }
    let urls: Vec<_> = changed.iter().filter_map(|name| name.strip_suffix(".url")).collect();
    for section in &urls {
        for wrong in ["{}", "//u:{}@host", "u:{}@host", "http//u:{}@host?sslmode=require", "amqp:u:{}@host"] {
            let mut settings = settings.clone();
            settings.set(section, "url", wrong.replace("{}", PASSWORD));
            let error = error_of(service(), settings).await;
            assert!(error.contains("url") && !error.contains(PASSWORD), "{section}: {wrong}: {error}");
        }
    }
    let mut unreachable = settings;
    for section in urls {
        let url = unreachable.section::<HashMap<String, serde_json::Value>>(section).unwrap()["url"].clone();
        let (before, after) = url.as_str().unwrap().split_once("@127.0.0.1:").unwrap();
        let path = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
        unreachable.set(section, "url", format!("{before}@127.0.0.1:1{path}"));
    }
    let error = error_of(service(), unreachable).await;
    // A URL of Neo4j with a password in it is refused as a setting.
    let is_expected = ["the store cannot be used", "invalid settings"].iter().any(|text| error.contains(text));
    assert!(is_expected && !error.contains(PASSWORD), "{error}");
}

#[tokio::test]
async fn errors_and_logs_of_a_wrong_url_do_not_have_its_password() {
    let logs = Logs::captured();

    macro_rules! check {
        ($service:ident) => {
            tells_no_password($service::service).await
        };
    }
    every_service!(check);

    let lines = logs.containing(PASSWORD);
    assert!(lines.is_empty(), "{lines:?}");
}
