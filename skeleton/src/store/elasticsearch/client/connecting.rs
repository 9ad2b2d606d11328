//! Creates a client from the settings.

use std::{sync::Arc, time::Duration};

use elasticsearch::{
    auth::Credentials,
    cert::{Certificate, CertificateValidation},
    http::{
        Url,
        transport::{SingleNodeConnectionPool, TransportBuilder},
    },
};

use super::Client;
use crate::{config::Settings, failure::StoreError, store::target::Target, tls::Tls};

impl Client {
    /// Creates a client of the server at this URL; the user is part of the URL.
    ///
    /// # Errors
    /// Fails if the URL is invalid, or requests plain text to another machine.
    pub fn new(
        address: &str,
        password: &str,
        timeout: Duration,
        tls: &Tls,
        settings: &Settings,
    ) -> Result<Self, StoreError> {
        let mut url: Url = address
            .parse()
            .map_err(|error| StoreError::broken(format!("{error}: write it as http://user@host:port")))?;
        let user = url.username().to_owned();
        let password =
            if password.is_empty() { url.password().unwrap_or_default().to_owned() } else { password.to_owned() };
        if !matches!(url.scheme(), "http" | "https") || url.set_username("").is_err() || url.set_password(None).is_err()
        {
            return Err(StoreError::broken("write it as http://user@host:port"));
        }
        if url.scheme() == "http" {
            let host = url.host_str().unwrap_or_default();
            tls.plaintext_to(host, "https://user@host:9200").map_err(StoreError::broken)?;
        }
        let target = Arc::new(Target::new(&format!("{url}, user {user}"), settings));
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url)).disable_proxy();
        if let Some(pem) = tls.pem() {
            let authorities = Certificate::from_pem(pem.as_bytes()).map_err(StoreError::broken)?;
            builder = builder.cert_validation(CertificateValidation::Full(authorities));
        }
        if !user.is_empty() {
            builder = builder.auth(Credentials::Basic(user, password));
        }
        Ok(Self { transport: builder.build().map_err(StoreError::broken)?, timeout, target })
    }
}
