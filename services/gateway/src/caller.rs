//! The callers of the API: a member with an access token, or a visitor without one.

use std::net::IpAddr;

use accounts_events::{GetSigningKeys, SigningKey};
use chrono::{DateTime, Utc};
use events::{Request, TraceParent};
use serde_json::Map;
use skeleton::{
    Problem, RequestOptions, Requests,
    http::{
        auth::{KeySource, PublicKey},
        idempotency::Principal,
    },
};
use uuid::Uuid;

/// A member, identified by a valid access token.
pub struct Caller {
    /// The account.
    pub account_id: Uuid,
    /// The session the token belongs to.
    pub session_id: Uuid,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
    /// The other services.
    pub services: Services,
}

/// A client without a token, identified by its address alone.
pub struct Visitor {
    /// The client's address.
    pub address: IpAddr,
    /// The client's user agent.
    pub device: String,
    /// The other services.
    pub services: Services,
}

/// The other services, called on behalf of an account.
pub struct Services {
    /// Sends the requests.
    pub requests: Requests,
    /// The account on whose behalf they are sent.
    pub actor: Option<Uuid>,
    /// The trace that the requests belong to.
    pub trace: Option<TraceParent>,
    /// Set if the HTTP request may be repeated: the services then handle it once.
    pub request_id: Option<Uuid>,
}

impl Services {
    async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        let id = self.request_id.map(|id| derived_id(id, request));
        self.requests.call(request, RequestOptions { actor: self.actor, trace: self.trace, id }).await
    }
}

/// A repeat of the same HTTP request with the same service request has the same id, by which the called service
/// recognises it.
fn derived_id<R: Request>(http_request: Uuid, request: &R) -> Uuid {
    let mut text = R::NAME.as_bytes().to_vec();
    // A request that cannot be serialized fails when it is sent.
    text.extend(serde_json::to_vec(request).unwrap_or_default());
    Uuid::new_v5(&http_request, &text)
}

/// The accounts service, whose public keys verify access tokens.
pub struct Accounts<'a> {
    /// Sends the requests.
    pub requests: &'a Requests,
    /// The trace of the request whose token needs a key.
    pub trace: Option<TraceParent>,
}

impl KeySource for Accounts<'_> {
    async fn fetch(&self) -> Result<Vec<PublicKey>, Problem> {
        let view = self
            .requests
            .call(&GetSigningKeys(Map::new()), RequestOptions { trace: self.trace, ..RequestOptions::default() })
            .await?;
        let ours = |key: &SigningKey| key.kty == "OKP" && key.crv == "Ed25519";
        Ok(view.keys.into_iter().filter(ours).map(|key| PublicKey { id: key.kid, x: key.x }).collect())
    }
}

impl Caller {
    /// Calls another service on the caller's behalf.
    ///
    /// # Errors
    /// The service's problem; 503 or 504 if it does not reply.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        self.services.call(request).await
    }
}

impl Principal for Caller {
    fn scope(&self) -> String {
        format!("account {}", self.account_id)
    }

    fn account_id(&self) -> Option<Uuid> {
        Some(self.account_id)
    }

    fn with_request_id(self, id: Uuid) -> Self {
        Self { services: Services { request_id: Some(id), ..self.services }, ..self }
    }
}

impl Visitor {
    /// Calls another service.
    ///
    /// # Errors
    /// The service's problem; 503 or 504 if it does not reply.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        self.services.call(request).await
    }
}

impl Principal for Visitor {
    fn scope(&self) -> String {
        format!("address {}", self.address)
    }

    fn account_id(&self) -> Option<Uuid> {
        None
    }

    fn with_request_id(self, id: Uuid) -> Self {
        Self { services: Services { request_id: Some(id), ..self.services }, ..self }
    }
}
