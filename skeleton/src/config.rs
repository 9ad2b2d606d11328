//! Settings: defaults in the service, then a file, then the environment, then secret files. All mistakes at once.

use std::{collections::BTreeMap, env, fs};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use serde::{Deserialize, de::DeserializeOwned};

/// The defaults that all services share; a service's own `config/default.toml` goes over them.
const SHARED_DEFAULTS: &str = include_str!("../config/default.toml");

/// Everything a service was told.
#[derive(Clone, Debug)]
pub struct Settings {
    service: String,
    sections: BTreeMap<String, Value>,
    known: Vec<String>,
}

/// Why settings cannot be used: every mistake, each with its name and how to set it.
#[derive(Debug, thiserror::Error)]
#[error("the settings of {service} are wrong:\n{}", .mistakes.join("\n"))]
pub struct SettingsError {
    /// The service.
    pub service: String,
    /// One line a mistake.
    pub mistakes: Vec<String>,
}

/// How the broker is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSettings {
    /// `amqp://user@host:port/vhost`, without the password.
    pub url: String,
    /// The password.
    #[serde(default)]
    pub password: Secret,
    /// How many messages may be in hand unacknowledged.
    pub prefetch: u16,
    /// How many messages share one transaction under a backlog, at most.
    pub batch: usize,
    /// Into how many queues, by subject, the service's events are split.
    pub partitions: u32,
    /// How many messages the relay sends before it waits for their confirms.
    pub window: i64,
    /// How long a confirm may take, in milliseconds, before the message is sent again.
    pub confirm_timeout_ms: u64,
    /// The longest wait between two attempts to connect, in milliseconds.
    pub reconnect_max_ms: u64,
}

/// What happens to a message whose handler fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// The waits before each next attempt, in milliseconds; after the last the message is parked.
    pub waits_ms: Vec<u64>,
    /// How much longer or shorter a wait may turn out by chance, as a share of it.
    pub jitter: f64,
    /// How long one handler may take, in milliseconds.
    pub handler_timeout_ms: u64,
    /// How often due messages are looked for, in milliseconds.
    pub poll_ms: u64,
    /// A message that has been delivered more often than this without an end is handled alone and counted.
    pub suspect_after: u32,
}

/// What is otherwise for one consumer: the sections `[retry_events]` and `[retry_jobs]`, or the service's assembly.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryOverrides {
    /// As [`RetrySettings::waits_ms`].
    pub waits_ms: Option<Vec<u64>>,
    /// As [`RetrySettings::jitter`].
    pub jitter: Option<f64>,
    /// As [`RetrySettings::handler_timeout_ms`].
    pub handler_timeout_ms: Option<u64>,
}

impl RetrySettings {
    /// These settings, but for what is otherwise.
    pub fn but(&self, otherwise: &RetryOverrides) -> Self {
        Self {
            waits_ms: otherwise.waits_ms.clone().unwrap_or_else(|| self.waits_ms.clone()),
            jitter: otherwise.jitter.unwrap_or(self.jitter),
            handler_timeout_ms: otherwise.handler_timeout_ms.unwrap_or(self.handler_timeout_ms),
            ..self.clone()
        }
    }
}

/// Requests asked and answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSettings {
    /// How many requests are answered at the same time.
    pub concurrency: usize,
    /// How long a reply is waited for, in milliseconds.
    pub timeout_ms: u64,
    /// How many requests one caller may make in a second.
    pub per_caller_per_second: u32,
}

/// The admin port: health, metrics, and pages about parked messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// The address it listens on.
    pub address: std::net::SocketAddr,
    /// By which names its pages may be called, beside addresses and `localhost`; with commas between.
    #[serde(default)]
    pub hosts: String,
}

/// Starting and stopping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifeSettings {
    /// How long the broker and the store are waited for at the start, in seconds, before the process gives up.
    pub patience_s: u64,
    /// How long a public port stays open after readiness went off, in milliseconds, for balancers to hear of it.
    pub notice_ms: u64,
    /// How long work in hand may take to finish after that, in milliseconds.
    pub drain_ms: u64,
}

/// What is written down of the running service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// What is logged, in the form of `RUST_LOG`.
    pub filter: String,
    /// Where bugs are reported; empty for nowhere.
    #[serde(default)]
    pub sentry_dsn: Secret,
}

/// A text that is never shown.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
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
    /// Reads the settings of a service: the shared defaults, `defaults`, the file that `<SERVICE>_CONFIG` names,
    /// and variables of the form `<SERVICE>__SECTION__KEY`. A key that ends in `_file` names a file that holds the
    /// value of the key without that ending.
    ///
    /// # Errors
    /// Where a source cannot be read.
    pub fn read(service: &str, defaults: &str) -> Result<Self, SettingsError> {
        Self::read_with(service, defaults, env::vars().collect())
    }

    /// The same with variables of one's own.
    ///
    /// # Errors
    /// Where a source cannot be read.
    pub fn read_with(
        service: &str,
        defaults: &str,
        variables: std::collections::HashMap<String, String>,
    ) -> Result<Self, SettingsError> {
        let failed = |error: String| SettingsError { service: service.to_owned(), mistakes: vec![error] };
        let prefix = service.to_uppercase();
        let mut sources = Config::builder()
            .add_source(File::from_str(SHARED_DEFAULTS, FileFormat::Toml))
            .add_source(File::from_str(defaults, FileFormat::Toml));
        if let Some(path) = variables.get(&format!("{prefix}_CONFIG")) {
            sources = sources.add_source(File::new(path, FileFormat::Toml));
        }
        let environment = Environment::with_prefix(&prefix)
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .source(Some(variables));
        let all = sources.add_source(environment).build().map_err(|error| failed(error.to_string()))?;
        let mut sections: BTreeMap<String, Value> = all.try_deserialize().map_err(|error| failed(error.to_string()))?;
        lift_partners(&mut sections);
        let mut settings = Self { service: service.to_owned(), sections, known: Vec::new() };
        settings.take_in_secret_files().map_err(failed)?;
        Ok(settings)
    }

    fn take_in_secret_files(&mut self) -> Result<(), String> {
        for (section, value) in &mut self.sections {
            let ValueKind::Table(keys) = &mut value.kind else { continue };
            let named: Vec<String> = keys.keys().filter(|key| key.ends_with("_file")).cloned().collect();
            for key in named {
                let path = keys.remove(&key).map(|value| value.to_string()).unwrap_or_default();
                let secret = fs::read_to_string(&path)
                    .map_err(|error| format!("{section}.{key}: the file {path} cannot be read: {error}"))?;
                let plain = key.trim_end_matches("_file").to_owned();
                keys.insert(plain, Value::new(Some(&path), ValueKind::String(secret.trim_end().to_owned())));
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
    /// Where a key is missing, unknown or of the wrong form, with its name and how to set it.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let value =
            self.sections.get(name).cloned().unwrap_or_else(|| Value::new(None, ValueKind::Table(Default::default())));
        value.try_deserialize().map_err(|error| SettingsError {
            service: self.service.clone(),
            mistakes: vec![format!(
                "[{name}] {error} (set {}__{}__<KEY>, or the section [{name}] in the file that {}_CONFIG names)",
                self.service.to_uppercase(),
                name.to_uppercase().replace('.', "__"),
                self.service.to_uppercase(),
            )],
        })
    }

    /// Says that a section is read by someone, and checks that it can be.
    pub fn expect<T: DeserializeOwned>(&mut self, name: &str, mistakes: &mut Vec<String>) -> Option<T> {
        self.known.push(name.to_owned());
        match self.section(name) {
            Ok(section) => Some(section),
            Err(error) => {
                mistakes.extend(error.mistakes);
                None
            }
        }
    }

    /// The sections that nobody reads: misspelt ones.
    pub fn unknown_sections(&self) -> Vec<String> {
        let known = |name: &&String| !self.known.contains(name);
        self.sections.keys().filter(known).map(|name| format!("[{name}] is no section of this service")).collect()
    }

    /// What is in force, one `section.key = value` a line, secrets hidden.
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        for (section, value) in &self.sections {
            let ValueKind::Table(keys) = &value.kind else { continue };
            let sorted: BTreeMap<_, _> = keys.iter().collect();
            for (key, value) in sorted {
                let shown = if is_secret(key) { "(hidden)".to_owned() } else { value.to_string() };
                lines.push(format!("{section}.{key} = {shown}"));
            }
        }
        lines.join("\n")
    }

    /// Forgets a section that this service does not have.
    #[cfg(feature = "testing")]
    pub(crate) fn forget(&mut self, section: &str) {
        self.sections.remove(section);
    }

    /// The variables that set the same, secrets included; without lists, which no variable can set.
    #[cfg(feature = "testing")]
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for (section, value) in &self.sections {
            let ValueKind::Table(keys) = &value.kind else { continue };
            let single = keys.iter().filter(|(_, value)| !matches!(value.kind, ValueKind::Array(_)));
            let name = |key: &str| format!("{}__{section}__{key}", self.service).to_uppercase().replace('.', "__");
            variables.extend(single.map(|(key, value)| (name(key), value.to_string())));
        }
        variables
    }

    /// Sets one value; for tests and for tools.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<ValueKind>) {
        let table = Value::new(None, ValueKind::Table(Default::default()));
        let entry = self.sections.entry(section.to_owned()).or_insert(table);
        if let ValueKind::Table(keys) = &mut entry.kind {
            keys.insert(key.to_owned(), Value::new(None, value));
        }
    }
}

/// Makes `[partners.mail]` a section like any other, of the name `partners.mail`.
fn lift_partners(sections: &mut BTreeMap<String, Value>) {
    match sections.remove("partners") {
        Some(Value { kind: ValueKind::Table(partners), .. }) => {
            sections.extend(partners.into_iter().map(|(name, partner)| (format!("partners.{name}"), partner)));
        }
        Some(other) => drop(sections.insert("partners".to_owned(), other)),
        None => {}
    }
}

fn is_secret(key: &str) -> bool {
    ["password", "secret", "pepper", "dsn", "key"].iter().any(|word| key.contains(word))
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
}
