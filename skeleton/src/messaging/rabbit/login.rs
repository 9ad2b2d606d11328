//! The login at the broker.

use std::time::Duration;

use lapin::{
    Connection, ConnectionProperties,
    tcp::OwnedTLSConfig,
    uri::{AMQPScheme, AMQPUri},
};

use super::{BrokerError, answered_within};
use crate::{
    config::{BrokerSettings, setting_name},
    failure::StoreError,
    tls::Tls,
};

/// The maximum frame size on connections that only send. lapin keeps room for 32 frames in each direction of each
/// connection: with the broker's own 128 kB that would be 8 MB more, touched again and again. Connections that receive
/// keep the broker's size: a message's headers travel in one frame, and the broker cannot deliver larger ones over a
/// connection with a smaller frame size.
pub(super) const SENT_FRAME_BYTES: u32 = 16 * 1024;

/// The broker's address and the login.
#[derive(Clone)]
pub struct Login {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    pub(super) longest_wait: Duration,
}

impl Login {
    /// Reads the settings.
    ///
    /// # Errors
    /// If the address is invalid, or asks for plain text to another machine.
    pub fn new(settings: &BrokerSettings) -> Result<Self, StoreError> {
        let mut uri: AMQPUri = settings
            .url
            .parse()
            // The library's text may quote the address, with a password in it.
            .map_err(|_| {
                StoreError::broken("broker.url: write it as amqp://user@host:5672/vhost, without the password")
            })?;
        if !settings.password.reveal().is_empty() {
            uri.authority.userinfo.password = settings.password.reveal().to_owned();
        }
        let tls = Tls::new(settings.tls_ca_file.as_deref(), settings.allow_plaintext).map_err(StoreError::broken)?;
        if uri.scheme == AMQPScheme::AMQP {
            tls.plaintext_to(&uri.authority.host, "amqps://user@host:5671/vhost").map_err(StoreError::broken)?;
        }
        // A dead peer is noticed after two heartbeats.
        uri.query.heartbeat = Some(10);
        let tls = OwnedTLSConfig { identity: None, cert_chain: tls.pem().map(str::to_owned) };
        Ok(Self { uri, tls, longest_wait: Duration::from_millis(settings.reconnect_max_ms) })
    }

    /// Reads the settings of a service. Its user at the broker has its name; an address without a user means this one.
    ///
    /// # Errors
    /// As [`Login::new`]; also if the user has another name: consumers accept a message only from the service that owns
    /// its name, and the user is the sender.
    pub fn of_service(service: &str, settings: &BrokerSettings) -> Result<Self, StoreError> {
        let mut login = Self::new(settings)?;
        if !settings.url.contains('@') {
            login.uri.authority.userinfo.username = service.to_owned();
        }
        if login.user() != service {
            return Err(StoreError::broken(format!(
                "the user is {}: it must be {service}, the name of the service, because consumers refuse its messages \
                 from another user",
                login.user()
            )));
        }
        Ok(login)
    }

    /// For a connection that receives only confirms.
    pub(crate) fn for_sending(mut self) -> Self {
        self.uri.query.frame_max = Some(SENT_FRAME_BYTES);
        self
    }

    /// The user at the broker.
    pub fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// Connects once, within 10 s.
    ///
    /// # Errors
    /// If the broker is unreachable, refuses, or its certificate is not accepted.
    pub async fn connect(&self, name: &str) -> Result<Connection, BrokerError> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let runtime = lapin::runtime::default_runtime().map_err(|error| BrokerError::Connection(error.to_string()))?;
        let connecting = Connection::connect_uri_with_config(self.uri.clone(), properties, self.tls.clone(), runtime);
        answered_within(Duration::from_secs(10), connecting)
            .await
            .map_err(|error| error.located(&self.place(), self.user()))
    }

    /// The server, as errors show it: without the password.
    fn place(&self) -> String {
        let AMQPUri { authority, vhost, .. } = &self.uri;
        let (host, port, user) = (&authority.host, authority.port, &authority.userinfo.username);
        let setting = setting_name(user, "broker", "url");
        format!("{host}:{port}, virtual host {vhost}, user {user}: check {setting}")
    }
}
