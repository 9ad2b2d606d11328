//! Who asks: a member with an access token, or a visitor without one.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use events::{Request, TraceParent};
use skeleton::{Asking, Problem, Requests};
use uuid::Uuid;
use warp::http::{HeaderMap, header::AUTHORIZATION};

/// A member, known by a valid access token.
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

/// Someone without a token, known by address alone.
pub struct Visitor {
    /// Where they ask from.
    pub address: IpAddr,
    /// What they call their browser or program.
    pub device: String,
    /// The other services.
    pub services: Services,
}

/// The other services, asked on someone's behalf.
pub struct Services {
    /// Carries the questions.
    pub requests: Requests,
    /// On whose behalf.
    pub actor: Option<Uuid>,
    /// The trace that all of it belongs to.
    pub trace: Option<TraceParent>,
    /// Given where the same order may come again: the services do it once.
    pub order_id: Option<Uuid>,
}

impl Services {
    async fn ask<R: Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        let id = self.order_id.map(|order| request_id(order, request));
        self.requests.ask(request, Asking { actor: self.actor, trace: self.trace, id }).await
    }
}

/// The same order and the same question give the same id: the service that is asked recognises it.
fn request_id<R: Request>(order: Uuid, request: &R) -> Uuid {
    let mut text = R::NAME.as_bytes().to_vec();
    // A request that cannot be written is told of by whoever sends it.
    text.extend(serde_json::to_vec(request).unwrap_or_default());
    Uuid::new_v5(&order, &text)
}

/// Someone who can give an order.
pub trait Ordering {
    /// Tells them from all others.
    fn owner(&self) -> String;

    /// Their account, where they have one.
    fn account_id(&self) -> Option<Uuid>;

    /// Asks under this id from here on.
    fn under(self, order_id: Uuid) -> Self;
}

impl Caller {
    /// Asks another service on the caller's behalf.
    ///
    /// # Errors
    /// The service's problem; 503 or 504 where it does not answer.
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        self.services.ask(request).await
    }
}

impl Ordering for Caller {
    fn owner(&self) -> String {
        format!("account {}", self.account_id)
    }

    fn account_id(&self) -> Option<Uuid> {
        Some(self.account_id)
    }

    fn under(self, order_id: Uuid) -> Self {
        Self { services: Services { order_id: Some(order_id), ..self.services }, ..self }
    }
}

impl Visitor {
    /// Asks another service.
    ///
    /// # Errors
    /// The service's problem; 503 or 504 where it does not answer.
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        self.services.ask(request).await
    }
}

impl Ordering for Visitor {
    fn owner(&self) -> String {
        format!("address {}", self.address)
    }

    fn account_id(&self) -> Option<Uuid> {
        None
    }

    fn under(self, order_id: Uuid) -> Self {
        Self { services: Services { order_id: Some(order_id), ..self.services }, ..self }
    }
}

/// The access token that a request brings (RFC 6750).
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
