//! `service.toml`, next to a service's code: what the tools that run, deploy and check services need to know about it.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::names::{self, is_plain};

/// A service, as its `service.toml` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The name of its folder: also of its crate, program, database, and user of the servers.
    #[serde(skip)]
    pub name: String,
    /// The server that has its database.
    pub store: Store,
    /// On a developer's machine its admin port is `KITH_ADMIN_PORT_BASE` plus this number, from 1 to 99.
    pub admin_port: u16,
    /// Whether its HTTP port is published. At most one service's is.
    #[serde(default)]
    pub public: bool,
    /// Whether it is compiled with optimization for local use as well: what it does would be too slow without.
    #[serde(default)]
    pub optimized: bool,
    /// Whether it keeps data of accounts: then it handles `accounts.erased` and publishes `account-data-erased`, which the
    /// erasure of an account waits for.
    #[serde(default = "yes")]
    pub account_data: bool,
    /// Whether it sends mail.
    #[serde(default)]
    pub mail: bool,
    /// The folder of its built web app, relative to its own.
    pub web: Option<String>,
    /// Passwords and keys besides those for its store and the broker, by file name.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Settings for a developer's machine, as sections of its `config/default.toml`.
    #[serde(default)]
    local: BTreeMap<String, BTreeMap<String, Value>>,
}

/// The value of a setting.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "not a text, a whole number, true or false")]
enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
}

/// The server that has a service's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// PostgreSQL.
    Postgres,
    /// Neo4j.
    Neo4j,
    /// Elasticsearch.
    Elasticsearch,
}

/// A password or key that is created with the servers' passwords.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// The setting whose `_FILE` variable names the file: `tokens.signing_key`.
    pub setting: String,
    /// How it is created.
    pub kind: SecretKind,
}

/// How a secret is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// 24 random bytes in hexadecimal.
    Random,
    /// A private Ed25519 key in PEM.
    Ed25519,
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Number(number) => number.fmt(formatter),
            Self::Flag(flag) => flag.fmt(formatter),
        }
    }
}

impl Store {
    /// Its name in files and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Neo4j => "neo4j",
            Self::Elasticsearch => "elasticsearch",
        }
    }
}

impl SecretKind {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl Service {
    /// The prefix of its variables: `CONTACTS`.
    pub fn prefix(&self) -> String {
        self.name.to_uppercase()
    }

    /// The name of its crate in code: `order_desk`.
    pub fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Its settings for a developer's machine as variables without prefix: `RATES__BURST` and the value.
    pub fn local_settings(&self) -> Vec<(String, String)> {
        let keys = self.local.iter().flat_map(|(section, keys)| keys.iter().map(move |key| (section, key)));
        keys.map(|(section, (key, value))| (variable(&format!("{section}.{key}")), value.to_string())).collect()
    }

    fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("service.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let service: Self = toml::from_str(&text).with_context(|| file.display().to_string())?;
        let service = Self { name, ..service };
        service.validate().with_context(|| file.display().to_string())?;
        Ok(service)
    }

    fn validate(&self) -> Result<()> {
        names::service(&self.name)?;
        if let Some(folder) = &self.web {
            ensure!(is_passed_on(folder), "web: {folder:?} has characters that the scripts cannot pass on");
        }
        ensure!((1..=99).contains(&self.admin_port), "admin_port is {}: choose one from 1 to 99", self.admin_port);
        for (name, secret) in &self.secrets {
            ensure!(
                !["broker", "store"].contains(&name.as_str()),
                "every service has a secret {name}: choose another name"
            );
            ensure!(is_plain(name), "secret {name:?}: lower-case letters, digits and underscores only");
            let is_setting = secret.setting.split('.').all(is_plain) && secret.setting.contains('.');
            ensure!(is_setting, "secret {name}: setting {:?} is not `section.key`", secret.setting);
        }
        for (setting, value) in self.local_settings() {
            ensure!(
                is_passed_on(&value) && setting.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
                "local setting {setting}: {value:?} has characters that the scripts cannot pass on"
            );
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

/// The variable of a setting, without prefix: `RATES__BURST` for `rates.burst`.
pub(crate) fn variable(setting: &str) -> String {
    setting.to_uppercase().replace('.', "__")
}

/// Whether bash takes a text as one word, and as it is.
fn is_passed_on(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.,:/+-".contains(&byte))
}

/// All services of a repository: the folders in `services/`, in the order of their admin ports.
///
/// # Errors
/// If a `service.toml` is missing or wrong, or two services claim the same.
pub fn services(repository: &Path) -> Result<Vec<Service>> {
    let folder = repository.join("services");
    let mut services: Vec<Service> = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            services.push(Service::read(&folder)?);
        }
    }
    services.sort_by(|a, b| (a.admin_port, &a.name).cmp(&(b.admin_port, &b.name)));
    for pair in services.windows(2) {
        let [a, b] = pair else { continue };
        if a.admin_port == b.admin_port {
            bail!("{} and {} both have admin_port {}", a.name, b.name, a.admin_port);
        }
    }
    at_most_one(&services, "be public", |service| service.public)?;
    // The Community edition has one database and one user.
    at_most_one(&services, "have its store on Neo4j", |service| service.store == Store::Neo4j)?;
    Ok(services)
}

fn at_most_one(services: &[Service], what: &str, is: impl Fn(&Service) -> bool) -> Result<()> {
    let found = names_of(services, is);
    ensure!(found.len() <= 1, "only one service can {what}, not {}", found.join(" and "));
    Ok(())
}

/// The names of those services of which it is true.
pub(crate) fn names_of(services: &[Service], is: impl Fn(&Service) -> bool) -> Vec<&str> {
    services.iter().filter(|service| is(service)).map(|service| service.name.as_str()).collect()
}
