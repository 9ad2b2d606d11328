//! Opens a store by its section `[store]`.

use std::time::Duration;

use serde::Deserialize;

use super::{Client, Elasticsearch, IndexPlan, Names};
use crate::{
    config::{Secret, Settings, SettingsError, range},
    store::StoreBuilder,
    tls::Tls,
};

/// Opens an Elasticsearch store.
pub struct ElasticsearchBuilder {
    pub(super) plans: &'static [IndexPlan],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSettings {
    /// `https://user@host:port`, or `http://` for plain text, without the password.
    url: String,
    #[serde(default)]
    password: Secret,
    /// A PEM file with the certificate authorities that signed the server's certificate, unless a public one did.
    #[serde(default)]
    tls_ca_file: Option<std::path::PathBuf>,
    /// Whether plain-text connections to a server on another machine are allowed.
    #[serde(default)]
    allow_plaintext: bool,
    /// The prefix of the index names.
    #[serde(default = "search")]
    prefix: String,
    /// The time limit of a call.
    #[serde(default = "five_seconds", deserialize_with = "range::at_least_1")]
    timeout_ms: u64,
    /// The number of replicas of a new index.
    #[serde(default)]
    number_of_replicas: u32,
}

fn search() -> String {
    "search".to_owned()
}

fn five_seconds() -> u64 {
    5000
}

impl StoreBuilder for ElasticsearchBuilder {
    type Store = Elasticsearch;

    fn open(&self, settings: &Settings) -> Result<Elasticsearch, SettingsError> {
        let section: StoreSettings = settings.section("store")?;
        let timeout = Duration::from_millis(section.timeout_ms);
        let tls = Tls::new(section.tls_ca_file.as_deref(), section.allow_plaintext)
            .map_err(|error| settings.unusable("store", "tls_ca_file", error))?;
        let client = Client::new(&section.url, section.password.reveal(), timeout, &tls, settings);
        let names = Names::new(&section.prefix, self.plans);
        Ok(Elasticsearch {
            client: client.map_err(|error| settings.unusable("store", "url", error))?,
            names: names.map_err(|error| settings.unusable("store", "prefix", error))?,
            plans: self.plans,
            replicas: section.number_of_replicas,
        })
    }
}
