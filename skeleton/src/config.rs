//! Settings, read from the service's defaults, then a file, then environment variables, then secret files. All errors
//! are reported at once.

mod masking;
mod text;

use std::{collections::BTreeMap, env, fs};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use serde::{Deserialize, de::DeserializeOwned};

use self::text::{Setting, Wrong};

/// The defaults that all services share. A service's own `config/default.toml` overrides them.
const SHARED_DEFAULTS: &str = include_str!("../config/default.toml");

/// Names a file that connections read themselves; it is not a secret file.
const CA_FILE: &str = "tls_ca_file";

/// All settings of a service.
#[derive(Clone, Debug)]
pub struct Settings {
    service: String,
    sections: BTreeMap<String, Value>,
    known: Vec<String>,
}

/// Invalid settings: every error, each with the setting's name and how to set it.
#[derive(Debug, thiserror::Error)]
#[error("invalid settings of {service}:\n{}", .errors.join("\n"))]
pub struct SettingsError {
    /// The service's name.
    pub service: String,
    /// One line per error.
    pub errors: Vec<String>,
}

/// The connection to the broker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSettings {
    /// `amqp://user@host:port/vhost`, without the password.
    pub url: String,
    /// The password.
    #[serde(default)]
    pub password: Secret,
    /// The number of unacknowledged messages that the broker hands to a consumer.
    pub prefetch: u16,
    /// The maximum number of messages that share one transaction under a backlog.
    pub batch: usize,
    /// The number of queues that the service's events are split into, by subject.
    pub partitions: u32,
    /// The number of messages that the relay sends before it waits for their confirms.
    pub window: i64,
    /// The time to wait for a publisher confirm, in milliseconds, before the message is sent again.
    pub confirm_timeout_ms: u64,
    /// The longest wait between two connection attempts, in milliseconds.
    pub reconnect_max_ms: u64,
    /// A PEM file with the CA certificates that signed the server's certificate, unless a public CA did.
    #[serde(default)]
    pub tls_ca_file: Option<std::path::PathBuf>,
    /// Allows plain text to a server on another machine.
    #[serde(default)]
    pub allow_plaintext: bool,
}

/// Retries of a message whose handler fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// The delay before each next attempt, in milliseconds. After the last attempt the message is parked.
    pub waits_ms: Vec<u64>,
    /// Jitter, as a fraction of the delay.
    pub jitter: f64,
    /// The time limit for one handler call, in milliseconds.
    pub handler_timeout_ms: u64,
    /// The interval at which due messages are polled, in milliseconds.
    pub poll_ms: u64,
    /// A message that was delivered more often than this without an outcome is handled alone, and its attempts are
    /// counted.
    pub suspect_after: u32,
}

/// Overrides for one consumer: the sections `[retry_events]` and `[retry_jobs]`, or the service's assembly.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryOverrides {
    /// See [`RetrySettings::waits_ms`].
    pub waits_ms: Option<Vec<u64>>,
    /// See [`RetrySettings::jitter`].
    pub jitter: Option<f64>,
    /// See [`RetrySettings::handler_timeout_ms`].
    pub handler_timeout_ms: Option<u64>,
}

impl RetrySettings {
    /// Applies overrides.
    pub fn merged_with(&self, otherwise: &RetryOverrides) -> Self {
        Self {
            waits_ms: otherwise.waits_ms.clone().unwrap_or_else(|| self.waits_ms.clone()),
            jitter: otherwise.jitter.unwrap_or(self.jitter),
            handler_timeout_ms: otherwise.handler_timeout_ms.unwrap_or(self.handler_timeout_ms),
            ..self.clone()
        }
    }
}

/// Requests, sent and served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSettings {
    /// The number of requests served at the same time.
    pub concurrency: usize,
    /// The time to wait for a reply, in milliseconds.
    pub timeout_ms: u64,
    /// The number of requests per second allowed to one caller.
    pub per_caller_per_second: u32,
}

/// The admin port: health, metrics, and pages about parked messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// The listen address.
    pub address: std::net::SocketAddr,
    /// Host names under which the pages may be requested, besides addresses and `localhost`; separated by commas.
    #[serde(default)]
    pub hosts: String,
}

/// Startup and shutdown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifeSettings {
    /// The time to wait for the broker and the store at startup, in seconds, before the process exits.
    pub startup_timeout_s: u64,
    /// The time that the public port stays open after readiness goes off, in milliseconds, so that load balancers
    /// notice.
    pub notice_ms: u64,
    /// The time limit for work in progress to finish after that, in milliseconds.
    pub drain_ms: u64,
}

/// Logs and error reports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The log filter, in the syntax of `RUST_LOG`.
    pub filter: String,
    /// The Sentry DSN that bugs are reported to; empty for no reports.
    #[serde(default)]
    pub sentry_dsn: Secret,
}

/// A text that is never displayed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_empty() { "(not set)" } else { "(hidden)" })
    }
}

impl Settings {
    /// Reads the settings of a service: the shared defaults, `defaults`, the file that `<SERVICE>_CONFIG` names, and
    /// variables of the form `<SERVICE>__SECTION__KEY`. A key that ends in `_file` names a file that holds the value of
    /// the key without that suffix. The field's type decides how a text is parsed: a list is `1, 2` or `[1, 2]`. A text
    /// field gets every character, blanks included.
    ///
    /// # Errors
    /// If a source cannot be read.
    pub fn read(service: &str, defaults: &str) -> Result<Self, SettingsError> {
        let variables = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let prefix = format!("{}__", service.to_uppercase());
        let mut read = std::collections::HashMap::new();
        for (name, value) in variables {
            match value.into_string() {
                Ok(value) => drop(read.insert(name, value)),
                Err(_) if name.starts_with(&prefix) => {
                    let errors = vec![format!("{name} is not UTF-8")];
                    return Err(SettingsError { service: service.to_owned(), errors });
                }
                // It belongs to another program.
                Err(_) => {}
            }
        }
        Self::read_with(service, defaults, read)
    }

    /// The same with the given variables instead of the environment's.
    ///
    /// # Errors
    /// If a source cannot be read.
    pub fn read_with(
        service: &str,
        defaults: &str,
        variables: std::collections::HashMap<String, String>,
    ) -> Result<Self, SettingsError> {
        let failed = |error: String| SettingsError { service: service.to_owned(), errors: vec![error] };
        let prefix = service.to_uppercase();
        let mut sources = Config::builder()
            .add_source(File::from_str(SHARED_DEFAULTS, FileFormat::Toml))
            .add_source(File::from_str(defaults, FileFormat::Toml));
        if let Some(path) = variables.get(&format!("{prefix}_CONFIG")) {
            sources = sources.add_source(File::new(path, FileFormat::Toml));
        }
        let environment =
            Environment::with_prefix(&prefix).prefix_separator("__").separator("__").source(Some(variables));
        let all =
            sources.add_source(environment).build().map_err(|error| failed(without_source(&error.to_string())))?;
        let mut sections: BTreeMap<String, Value> = all.try_deserialize().map_err(|error| failed(error.to_string()))?;
        lift_partners(&mut sections);
        let mut settings = Self { service: service.to_owned(), sections, known: Vec::new() };
        settings.take_in_secret_files().map_err(failed)?;
        Ok(settings)
    }

    fn take_in_secret_files(&mut self) -> Result<(), String> {
        for (section, value) in &mut self.sections {
            let ValueKind::Table(keys) = &mut value.kind else { continue };
            let named: Vec<String> =
                keys.keys().filter(|key| key.ends_with("_file") && *key != CA_FILE).cloned().collect();
            for key in named {
                let path = keys.remove(&key).map(|value| value.to_string()).unwrap_or_default();
                let secret = fs::read_to_string(&path)
                    .map_err(|error| format!("{section}.{key}: the file {path} cannot be read: {error}"))?;
                let plain = key.trim_end_matches("_file").to_owned();
                keys.insert(plain, Value::new(Some(&path), ValueKind::String(without_line_end(&secret).to_owned())));
            }
        }
        Ok(())
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// One section, as its type.
    ///
    /// # Errors
    /// If a key is missing, unknown or malformed; the error has the key's name and how to set it.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let empty = Value::new(None, ValueKind::Table(Default::default()));
        let value = self.sections.get(name).unwrap_or(&empty);
        T::deserialize(Setting { name: name.to_owned(), value })
            .map_err(|wrong| SettingsError { service: self.service.clone(), errors: vec![self.mistake(name, &wrong)] })
    }

    /// What is wrong with a section, and how to set it.
    fn mistake(&self, section: &str, wrong: &Wrong) -> String {
        let prefix = self.service.to_uppercase();
        let key = wrong.setting.as_deref().and_then(|setting| setting.strip_prefix(section)?.strip_prefix('.'));
        let variable = |key: &str| format!("{prefix}__{section}__{key}").to_uppercase().replace('.', "__");
        let (wrong, variable) = match key {
            Some(key) => (format!("{key}: {wrong}"), variable(key)),
            None => (wrong.to_string(), variable("<key>")),
        };
        format!(
            "[{section}] {wrong} (set {variable}, or the section [{section}] in the file that {prefix}_CONFIG names)"
        )
    }

    /// Marks a section as used, and checks that it can be read.
    pub fn expect<T: DeserializeOwned>(&mut self, name: &str, errors: &mut Vec<String>) -> Option<T> {
        self.known.push(name.to_owned());
        match self.section(name) {
            Ok(section) => Some(section),
            Err(error) => {
                errors.extend(error.errors);
                None
            }
        }
    }

    /// The sections that are not used: misspelt ones.
    pub fn unknown_sections(&self) -> Vec<String> {
        let known = |name: &&String| !self.known.contains(name);
        self.sections.keys().filter(known).map(|name| format!("[{name}] is not a section of this service")).collect()
    }

    /// The settings in force, one `section.key = value` per line, with secrets and passwords in URLs hidden.
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        for (section, value) in &self.sections {
            let ValueKind::Table(keys) = &value.kind else { continue };
            let sorted: BTreeMap<_, _> = keys.iter().collect();
            for (key, value) in sorted {
                lines.push(format!("{section}.{key} = {}", masking::shown(key, value)));
            }
        }
        lines.join("\n")
    }

    /// Removes a section that this service does not have.
    #[cfg(feature = "testing")]
    pub(crate) fn forget(&mut self, section: &str) {
        self.sections.remove(section);
    }

    /// The environment variables that set the same values, secrets included.
    #[cfg(feature = "testing")]
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for (section, value) in &self.sections {
            let ValueKind::Table(keys) = &value.kind else { continue };
            let name = |key: &str| format!("{}__{section}__{key}", self.service).to_uppercase().replace('.', "__");
            variables.extend(keys.iter().map(|(key, value)| (name(key), as_text(value))));
        }
        variables
    }

    /// Sets one value; for tests and tools.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<ValueKind>) {
        let table = Value::new(None, ValueKind::Table(Default::default()));
        let entry = self.sections.entry(section.to_owned()).or_insert(table);
        if let ValueKind::Table(keys) = &mut entry.kind {
            keys.insert(key.to_owned(), Value::new(None, value));
        }
    }
}

/// The error of a file without the lines that quote it: they may hold a password.
fn without_source(error: &str) -> String {
    error.lines().filter(|line| !line.contains('|')).collect::<Vec<_>>().join("\n")
}

/// Turns `[partners.mail]` into a top-level section named `partners.mail`.
fn lift_partners(sections: &mut BTreeMap<String, Value>) {
    match sections.remove("partners") {
        Some(Value { kind: ValueKind::Table(partners), .. }) => {
            sections.extend(partners.into_iter().map(|(name, partner)| (format!("partners.{name}"), partner)));
        }
        Some(other) => drop(sections.insert("partners".to_owned(), other)),
        None => {}
    }
}

/// The content of a file, without the trailing newline that editors and `echo` add.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// A setting as the text of an environment variable that sets the same value.
#[cfg(feature = "testing")]
fn as_text(value: &Value) -> String {
    let element = |value: &Value| match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        _ => value.to_string(),
    };
    match &value.kind {
        ValueKind::Array(list) => format!("[{}]", list.iter().map(element).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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

        assert_eq!(
            settings.to_text().lines().find(|line| line.starts_with("partners")),
            Some("partners.mail.calls = 7")
        );
        assert!(error.contains("CONTACTS__PARTNERS__MAIL__"), "{error}");
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_never_shown() {
        let path = env::temp_dir().join(format!("secret-{}", std::process::id()));
        fs::write(&path, "hunter2\n").unwrap();

        let settings = read(&[("CONTACTS__BROKER__PASSWORD_FILE", path.to_str().unwrap())]);

        assert_eq!(settings.section::<BrokerSettings>("broker").unwrap().password.reveal(), "hunter2");
        assert!(!settings.to_text().contains("hunter2"));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_error_in_a_file_does_not_quote_the_file() {
        let path = env::temp_dir().join(format!("broken-{}.toml", std::process::id()));
        fs::write(&path, "[broker]\npassword = \"hunter2\n").unwrap();
        let variables = [("CONTACTS_CONFIG".to_owned(), path.to_str().unwrap().to_owned())].into_iter().collect();

        let error = Settings::read_with("contacts", "", variables).unwrap_err().to_string();

        assert!(error.contains("line 2") && error.contains(path.to_str().unwrap()), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        fs::remove_file(path).unwrap();
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
    fn a_text_from_the_environment_keeps_every_character() {
        for text in ["0042", "1e5", "1.50", "true", "TRUE", "null", "", "  a b ", "[1, 2]", "a,b", "+7", "0x10", "inf"]
        {
            assert_eq!(told("TEXT", text).unwrap().text, text);
            assert_eq!(told("WORD", text).unwrap().word.as_deref(), Some(text));
            let password = read(&[("CONTACTS__BROKER__PASSWORD", text)]).section::<BrokerSettings>("broker").unwrap();
            assert_eq!(password.password.reveal(), text);
        }
    }

    #[test]
    fn a_secret_file_loses_one_line_end_and_nothing_else() {
        for (held, secret) in
            [("0042\n", "0042"), (" a \r\n", " a "), ("a\n\n", "a\n"), ("1e5", "1e5"), ("[1]\t", "[1]\t")]
        {
            let path = env::temp_dir().join(format!("held-{}", std::process::id()));
            fs::write(&path, held).unwrap();

            let settings = read(&[("CONTACTS__BROKER__PASSWORD_FILE", path.to_str().unwrap())]);

            assert_eq!(settings.section::<BrokerSettings>("broker").unwrap().password.reveal(), secret);
            fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn numbers_and_truth_values_come_from_the_environment() {
        assert_eq!(told("WHOLE", " 0042 ").unwrap().whole, 42);
        assert_eq!(told("SHARE", "1e5").unwrap().share, 1e5);
        assert_eq!(told("SHARE", "7").unwrap().share, 7.0);
        assert!(told("YES", "true").unwrap().yes && told("YES", "On").unwrap().yes && !told("YES", "0").unwrap().yes);
        assert_eq!(told("ADDRESS", "127.0.0.1:80").unwrap().address, Some(([127, 0, 0, 1], 80).into()));
    }

    #[test]
    fn lists_come_from_the_environment() {
        for text in ["1000, 10000", "[1000, 10000]", "1000,10000", " [ 1000 , 10000 ] "] {
            assert_eq!(told("NUMBERS", text).unwrap().numbers, [1000, 10000], "{text}");
            assert_eq!(told("FEW", text).unwrap().few, Some(vec![1000, 10000]), "{text}");
        }
        for text in ["a b, 0042", "[\"a b\", \"0042\"]"] {
            assert_eq!(told("NAMES", text).unwrap().names, ["a b", "0042"], "{text}");
        }
        assert_eq!(told("NAMES", "[\" a\"]").unwrap().names, [" a"]);
        assert_eq!(told("NUMBERS", "").unwrap().numbers, [0; 0]);
        assert_eq!(told("NUMBERS", "7").unwrap().numbers, [7]);
        let waits = read(&[("CONTACTS__RETRY__WAITS_MS", "5, 6")]).section::<RetrySettings>("retry").unwrap();
        assert_eq!(waits.waits_ms, [5, 6]);
    }

    #[test]
    fn a_key_of_a_map_comes_from_the_environment() {
        assert_eq!(told("MOST__IMPORT_FILE", "4").unwrap().most["import_file"], 4);
        let limits = read(&[("CONTACTS__JOBS__IMPORT_FILE_AT_MOST", "4")]);
        assert_eq!(limits.section::<BTreeMap<String, u32>>("jobs").unwrap()["import_file_at_most"], 4);
    }

    #[test]
    fn a_value_of_the_wrong_form_is_named_with_its_variable_and_the_form_expected() {
        for (key, value, expected) in [
            ("WHOLE", "1e5", "[told] whole: expected a whole number from 0 to 4294967295, got `1e5`"),
            ("WHOLE", "", "got ``"),
            ("SHARE", "a lot", "[told] share: expected a number, got `a lot`"),
            ("YES", "maybe", "[told] yes: expected true or false, got `maybe`"),
            ("NUMBERS", "1, two", "[told] numbers: expected a whole number, 0 or more, got `two`"),
            ("NUMBERS", "[1, two]", "[told] numbers: expected a list such as [1, 2] or"),
            ("ADDRESS", "here", "[told] address: "),
            ("MOST__IMPORT_FILE", "x", "[told] most.import_file: expected a whole number"),
        ] {
            let error = told(key, value).unwrap_err().to_string();

            assert!(error.contains(expected), "{error}");
            assert!(error.contains(&format!("(set CONTACTS__TOLD__{key}, ")), "{error}");
        }
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
}
