//! The broker's administrator, through the management API.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Change, Clash, Destination, Difference, Rights, Topology,
    compare::{OnBroker, difference},
};
use crate::{
    causes::with_causes,
    tls::{Tls, TlsError},
};

/// The management API updates message counts only every five seconds.
const COUNTS_ARE_NEW_AFTER: Duration = Duration::from_secs(6);

/// All but the unreserved characters of RFC 3986.
const NOT_IN_A_NAME: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a topology could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The management API does not respond.
    #[error("the broker's management API does not respond: {}; check its address (--api or KITH_RABBIT_API)", with_causes(.0))]
    Unreachable(#[from] reqwest::Error),
    /// The management API must not be called.
    #[error("the broker's management API: {0}")]
    Forbidden(#[from] TlsError),
    /// The broker refuses a change, for instance because the object exists with other arguments.
    #[error("{what}: the broker refuses: {} {why}", .status.as_u16())]
    Refused {
        /// The request.
        what: String,
        /// The HTTP status.
        status: StatusCode,
        /// The broker's reason.
        why: String,
    },
    /// An existing object differs from the topology, and the broker cannot change it.
    #[error("nothing was changed: existing objects on the broker differ\n{}\nsee docs/rights.md", lines(.0))]
    Clash(Vec<Clash>),
    /// The management API's response cannot be read.
    #[error("{what}: the broker's response cannot be read: {why}")]
    Unreadable {
        /// The request.
        what: String,
        /// Why it cannot be read.
        why: serde_json::Error,
    },
}

fn lines(clashes: &[Clash]) -> String {
    clashes.iter().map(Clash::to_string).collect::<Vec<_>>().join("\n")
}

/// An administrator of the broker.
pub struct Admin {
    http: Client,
    url: String,
    vhost: String,
}

impl Admin {
    /// An administrator of one virtual host; the address contains name and password.
    pub fn new(url: &str, vhost: &str) -> Self {
        Self { http: Client::new(), url: url.trim_end_matches('/').to_owned(), vhost: encoded(vhost) }
    }

    /// The same, with the CA certificates and the plain-text rule of the broker's settings.
    ///
    /// # Errors
    /// If the address asks for plain text to another machine, or a CA certificate cannot be used.
    pub fn checking(url: &str, vhost: &str, tls: &Tls) -> Result<Self, TopologyError> {
        let place = Url::parse(url).ok();
        if place.as_ref().is_none_or(|place| place.scheme() != "https") {
            let host = place.as_ref().and_then(Url::host_str).unwrap_or_default();
            tls.plaintext_to(host, "https://user:password@host:15671")?;
        }
        let mut http = Client::builder();
        for authority in tls.authorities() {
            http = http.add_root_certificate(Certificate::from_der(authority)?);
        }
        Ok(Self { http: http.build()?, ..Self::new(url, vhost) })
    }

    /// The changes that [`Self::apply`] would make.
    ///
    /// # Errors
    /// If the broker is unreachable.
    pub async fn plan(&self, topology: &Topology) -> Result<Difference, TopologyError> {
        let (vhost, user) = (&self.vhost, encoded(&topology.service));
        let found = OnBroker {
            exchanges: self.read(&format!("exchanges/{vhost}")).await?.unwrap_or_default(),
            queues: self.read(&format!("queues/{vhost}")).await?.unwrap_or_default(),
            bindings: self.read(&format!("bindings/{vhost}")).await?.unwrap_or_default(),
            user: self.read(&format!("users/{user}")).await?,
            rights: self.read(&format!("permissions/{vhost}/{user}")).await?,
        };
        Ok(difference(topology, &found))
    }

    /// Creates the missing objects of a topology, removes bindings that are no longer part of it, and gives its user
    /// this password and the rights it needs. Returns the changes made.
    ///
    /// # Errors
    /// If something clashes: then nothing was changed. If the broker is unreachable or refuses.
    pub async fn apply(&self, topology: &Topology, password: &str) -> Result<Difference, TopologyError> {
        let difference = self.plan(topology).await?;
        if !difference.clashes.is_empty() {
            return Err(TopologyError::Clash(difference.clashes));
        }
        self.make_user(&topology.service, password).await?;
        let is_end = |change: &&Change| matches!(change, Change::DeleteEmpty { .. });
        for change in difference.changes.iter().filter(|change| !is_end(change)) {
            self.make(change).await?;
        }
        if difference.changes.iter().any(|change| is_end(&change)) {
            tokio::time::sleep(COUNTS_ARE_NEW_AFTER).await;
            // Only queues that are still empty.
            for change in self.plan(topology).await?.changes.iter().filter(is_end) {
                self.make(change).await?;
            }
        }
        Ok(difference)
    }

    /// Creates a user without tags, or sets the password of an existing one.
    async fn make_user(&self, user: &str, password: &str) -> Result<(), TopologyError> {
        let (path, user) = (format!("users/{}", encoded(user)), json!({ "password": password, "tags": "" }));
        match self.put(&path, &user).await {
            // Refused if another administrator creates it at the same moment. It exists now, so the password can be
            // set.
            Err(TopologyError::Refused { .. }) => self.put(&path, &user).await,
            other => other,
        }
    }

    async fn make(&self, change: &Change) -> Result<(), TopologyError> {
        let vhost = &self.vhost;
        match change {
            Change::MakeExchange { exchange, kind, arguments } => {
                let body = json!({ "type": kind, "durable": true, "arguments": arguments });
                self.put(&format!("exchanges/{vhost}/{}", encoded(exchange)), &body).await
            }
            Change::MakeQueue { queue, arguments } => {
                let body = json!({ "durable": true, "arguments": arguments });
                self.put(&format!("queues/{vhost}/{}", encoded(queue)), &body).await
            }
            Change::Bind { destination, exchange, routing_key } => {
                let path = format!("bindings/{vhost}/e/{}/{}", encoded(exchange), place(destination));
                self.post(&path, &json!({ "routing_key": routing_key })).await.map(drop)
            }
            Change::Unbind { destination, exchange, properties_key, .. } => {
                let (exchange, key) = (encoded(exchange), encoded(properties_key));
                self.delete(&format!("bindings/{vhost}/e/{exchange}/{}/{key}", place(destination))).await
            }
            Change::DeleteEmpty { queue } => self.delete(&format!("queues/{vhost}/{}", encoded(queue))).await,
            // Setting the password has already created the user without tags.
            Change::MakeUser { .. } | Change::TakeTags { .. } => Ok(()),
            Change::SetRights { user, to, .. } => {
                let Rights { configure, write, read } = to;
                let body = json!({ "configure": configure, "write": write, "read": read });
                self.put(&format!("permissions/{vhost}/{}", encoded(user)), &body).await
            }
        }
    }

    /// Reads the object at a path, if there is one.
    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, TopologyError> {
        match self.get(path).await {
            Ok(found) => serde_json::from_value(found)
                .map(Some)
                .map_err(|why| TopologyError::Unreadable { what: path.to_owned(), why }),
            Err(TopologyError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object, or leaves an identical one as it is.
    ///
    /// # Errors
    /// If the broker is unreachable or refuses.
    pub async fn put(&self, path: &str, body: &Value) -> Result<(), TopologyError> {
        self.send(Method::PUT, path, body).await.map(drop)
    }

    /// Deletes an object; a missing one is not an error.
    ///
    /// # Errors
    /// If the broker is unreachable or refuses.
    pub async fn delete(&self, path: &str) -> Result<(), TopologyError> {
        match self.send(Method::DELETE, path, &Value::Null).await {
            Err(TopologyError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// If the broker is unreachable or refuses.
    pub async fn get(&self, path: &str) -> Result<Value, TopologyError> {
        self.send(Method::GET, path, &Value::Null).await
    }

    /// Sends a POST request.
    ///
    /// # Errors
    /// If the broker is unreachable or refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, TopologyError> {
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, TopologyError> {
        let mut request = self.http.request(method, format!("{}/api/{path}", self.url));
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() || status == StatusCode::NO_CONTENT {
            return Ok(serde_json::from_str(&text).unwrap_or(Value::Null));
        }
        let reason =
            serde_json::from_str::<Value>(&text).ok().and_then(|body| Some(body["reason"].as_str()?.to_owned()));
        Err(TopologyError::Refused { what: path.to_owned(), status, why: reason.unwrap_or(text) })
    }
}

/// A binding's destination as part of a path.
fn place(destination: &Destination) -> String {
    match destination {
        Destination::Queue(name) => format!("q/{}", encoded(name)),
        Destination::Exchange(name) => format!("e/{}", encoded(name)),
    }
}

/// A name as part of a path.
pub fn encoded(name: &str) -> String {
    utf8_percent_encode(name, &NOT_IN_A_NAME).to_string()
}
