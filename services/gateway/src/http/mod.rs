//! The public port: the filters that every route needs, and all routes together.

mod accounts;
mod contacts;
mod imports;
mod network;
mod notifications;
mod openapi;
mod pages;
mod query;
mod search;
mod stream;

use std::sync::Arc;

use events::TraceParent;
use serde::de::DeserializeOwned;
use skeleton::{
    App, Postgres, Problem,
    http::{
        ClientAddress, RateLimits, Routes,
        auth::{AccessClaims, AccessTokens},
        client_address,
        idempotency::{IdempotentRequest, idempotent, no_body, read_json, request_id_in},
        trace_header,
    },
};
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, header::USER_AGENT},
};

use crate::{
    caller::{Accounts, Caller, Services, Visitor},
    ended::Ended,
    live::Live,
};

pub use pages::WebSettings;

/// Paths with a larger body limit than the others.
pub const BODY_LIMITS: &[(&str, u64)] = &[(imports::PATH, imports::LARGEST_BODY)];

/// A device's name is truncated after this many characters.
const LONGEST_DEVICE: usize = 200;

/// All routes.
pub fn routes(app: &App<Postgres>) -> Routes {
    let api = Api {
        app: app.clone(),
        tokens: app.resource(),
        ended: app.resource(),
        limits: app.resource(),
        live: app.resource::<Live>().as_ref().clone(),
    };
    let groups = [
        contacts::routes(&api),
        imports::routes(&api),
        network::routes(&api),
        search::routes(&api),
        notifications::routes(&api),
        stream::routes(&api),
        openapi::routes(),
        pages::routes(&app.resource::<WebSettings>()),
    ];
    groups.into_iter().fold(accounts::routes(&api), |all, group| all.or(group).unify().boxed())
}

/// The dependencies of every route.
#[derive(Clone)]
struct Api {
    app: App<Postgres>,
    tokens: Arc<AccessTokens>,
    ended: Arc<Ended>,
    limits: Arc<RateLimits>,
    live: Live,
}

impl Api {
    /// The member who sends the request; without a valid token, or over the rate limit, the request is refused.
    fn caller(&self) -> BoxedFilter<(Caller,)> {
        let api = self.clone();
        let identified = warp::header::headers_cloned().and(trace_header()).and_then(move |headers, trace| {
            let api = api.clone();
            async move { api.identify(&headers, trace).await.map_err(warp::reject::custom) }
        });
        identified.boxed()
    }

    /// A caller without a token; over the rate limit, the request is refused.
    fn visitor(&self) -> BoxedFilter<(Visitor,)> {
        let api = self.clone();
        let known = client_address().and(warp::header::headers_cloned()).and(trace_header());
        let admitted = known.and_then(move |address, headers, trace| {
            let admitted = api.admit(address, &headers, trace).map_err(warp::reject::custom);
            async move { admitted }
        });
        admitted.boxed()
    }

    /// A member's write, with a JSON body.
    fn write<T: DeserializeOwned + Send + 'static>(&self) -> BoxedFilter<(IdempotentRequest<Caller, T>,)> {
        idempotent(&self.app.store, self.caller(), read_json)
    }

    /// A member's write without a body.
    fn write_without_body(&self) -> BoxedFilter<(IdempotentRequest<Caller, ()>,)> {
        idempotent(&self.app.store, self.caller(), no_body)
    }

    /// A write without a token.
    fn visitors_write<T: DeserializeOwned + Send + 'static>(&self) -> BoxedFilter<(IdempotentRequest<Visitor, T>,)> {
        idempotent(&self.app.store, self.visitor(), read_json)
    }

    /// Identifies the member by the request's token.
    async fn identify(&self, headers: &HeaderMap, trace: TraceParent) -> Result<Caller, Problem> {
        let claims = self
            .tokens
            .authenticate(headers, &Accounts { requests: &self.app.requests, trace: Some(trace) }, self.ended.as_ref())
            .await?;
        self.limits.check_account(claims.account_id)?;
        let services = Services { actor: Some(claims.account_id), ..self.services(trace) };
        let AccessClaims { account_id, session_id, expires_at } = claims;
        Ok(Caller { account_id, session_id, expires_at, services })
    }

    /// The visitor at an address, if the rate limit allows it.
    fn admit(
        &self,
        ClientAddress(address): ClientAddress,
        headers: &HeaderMap,
        trace: TraceParent,
    ) -> Result<Visitor, Problem> {
        self.limits.check_address(address)?;
        let named = headers.get(USER_AGENT).and_then(|name| name.to_str().ok()).unwrap_or("unknown");
        let device = named.chars().take(LONGEST_DEVICE).collect();
        let services = Services { request_id: request_id_in(headers)?, ..self.services(trace) };
        Ok(Visitor { address, device, services })
    }

    fn services(&self, trace: TraceParent) -> Services {
        Services { requests: self.app.requests.clone(), actor: None, trace: Some(trace), request_id: None }
    }
}
