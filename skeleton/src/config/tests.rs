//! Tests of settings.

#![allow(clippy::unwrap_used, reason = "a test fails on anything unexpected")]

mod forms;
mod refused;
mod secret_files;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

fn read(variables: &[(&str, &str)]) -> Settings {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::read_with("contacts", "[store]\nurl = \"postgres://contacts@localhost/contacts\"", variables).unwrap()
}

#[test]
fn the_environment_goes_over_the_defaults_and_keeps_snake_case_keys() {
    let settings = read(&[("CONTACTS__BROKER__CONFIRM_TIMEOUT_MS", "7")]);

    assert_eq!(settings.section::<BrokerSettings>("broker").unwrap().confirm_timeout_ms, 7);
}

#[test]
fn an_unknown_key_is_named() {
    let settings = read(&[("CONTACTS__BROKER__CONFIRM_TIMEOUT", "7")]);

    let error = settings.section::<BrokerSettings>("broker").unwrap_err().to_string();

    assert!(error.contains("confirm_timeout`"), "{error}");
    assert!(error.contains("CONTACTS__BROKER__"), "{error}");
}

#[test]
fn a_partner_has_a_section_of_its_own() {
    let settings = read(&[("CONTACTS__PARTNERS__MAIL__CALLS", "7")]);

    let error = settings.section::<BrokerSettings>("partners.mail").unwrap_err().to_string();

    assert_eq!(settings.to_text().lines().find(|line| line.starts_with("partners")), Some("partners.mail.calls = 7"));
    assert!(error.contains("CONTACTS__PARTNERS__MAIL__"), "{error}");
}

fn told(key: &str, value: &str) -> Result<Told, SettingsError> {
    read(&[(&format!("CONTACTS__TOLD__{key}"), value)]).section("told")
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Told {
    text: String,
    word: Option<String>,
    whole: u32,
    share: f64,
    yes: bool,
    numbers: Vec<u64>,
    names: Vec<String>,
    few: Option<Vec<u64>>,
    most: BTreeMap<String, u32>,
    address: Option<std::net::SocketAddr>,
}

#[test]
#[cfg(feature = "testing")]
fn the_variables_of_settings_set_the_same() {
    let mut settings = read(&[("CONTACTS__RETRY__WAITS_MS", "5, 6"), ("CONTACTS__TOLD__TEXT", "0042")]);
    settings.set("told", "names", vec!["a, b".to_owned(), "\"c\"".to_owned()]);

    let again = Settings::read_with("contacts", "", settings.variables().into_iter().collect()).unwrap();

    assert_eq!(again.section::<RetrySettings>("retry").unwrap().waits_ms, [5, 6]);
    assert_eq!(again.section::<Told>("told").unwrap(), settings.section::<Told>("told").unwrap());
}
