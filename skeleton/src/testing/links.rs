//! A service with a fault proxy in front of each of its servers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Proxy, TestApp, TestStore, World, app::prepare};
use crate::{config::Settings, service::Service};

/// The links of a service to its servers.
pub struct Links {
    /// The link to the store.
    pub store: Proxy,
    /// The link to the broker.
    pub broker: Proxy,
}

impl World {
    /// Starts a service that reaches its store and the broker through a [`Proxy`] each. The test's own connections
    /// bypass the proxies.
    pub async fn start_behind_proxies<S: TestStore>(
        self,
        service: Service<S>,
        settings: &[(&str, &str, &str)],
    ) -> (TestApp<S>, Links) {
        let mut prepared = prepare(&self, &service, settings).await;
        let store = link(&mut prepared.settings, "store").await;
        let broker = link(&mut prepared.settings, "broker").await;
        (TestApp::start_prepared(self, service, prepared).await, Links { store, broker })
    }
}

/// Puts a proxy in front of the server in a section.
async fn link(settings: &mut Settings, section: &str) -> Proxy {
    let keys: BTreeMap<String, Value> = settings.section(section).expect("a section is a table");
    let url = keys.get("url").and_then(Value::as_str).expect("the section has the server's address");
    let (head, rest) = url.split_once('@').expect("the address has a user");
    let (server, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let proxy = Proxy::before(server).await;
    let through = format!("{head}@{}{tail}", proxy.address());
    settings.set(section, "url", through);
    proxy
}
