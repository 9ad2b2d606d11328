//! The public port: what every route needs, and all routes together.

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

use bytes::Bytes;
use events::TraceParent;
use serde::de::DeserializeOwned;
use skeleton::{
    App, Postgres, Problem,
    http::{ClientAddress, RateLimits, Routes, bytes, client_address, read, trace_header},
};
use warp::{
    Filter, Rejection,
    filters::{BoxedFilter, path::FullPath},
    http::{
        HeaderMap, Method,
        header::{CONTENT_TYPE, USER_AGENT},
    },
};

use crate::{
    caller::{Caller, Ordering, Services, Visitor, bearer_token},
    ended::Ended,
    idempotency::{Keyed, Order, order_id_in},
    live::Live,
    tokens::{Claims, Tokens, refused},
};

pub use pages::WebSettings;

/// Paths whose bodies may be larger than others'.
pub const BODY_LIMITS: &[(&str, u64)] = &[(imports::PATH, imports::LARGEST_BODY)];

/// How much of a device's name is kept.
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

/// What every route needs.
#[derive(Clone)]
struct Api {
    app: App<Postgres>,
    tokens: Arc<Tokens>,
    ended: Arc<Ended>,
    limits: Arc<RateLimits>,
    live: Live,
}

/// How a body is read.
type ReadBody<T> = fn(&HeaderMap, &Bytes) -> Result<T, Problem>;

impl Api {
    /// The member who asks; whoever has no valid token, or asks too often, is turned away.
    fn caller(&self) -> BoxedFilter<(Caller,)> {
        let api = self.clone();
        let identified = warp::header::headers_cloned().and(trace_header()).and_then(move |headers, trace| {
            let api = api.clone();
            async move { api.identify(&headers, trace).await.map_err(warp::reject::custom) }
        });
        identified.boxed()
    }

    /// Someone without a token; whoever asks too often is turned away.
    fn visitor(&self) -> BoxedFilter<(Visitor,)> {
        let api = self.clone();
        let known = client_address().and(warp::header::headers_cloned()).and(trace_header());
        let admitted = known.and_then(move |address, headers, trace| {
            let admitted = api.admit(address, &headers, trace).map_err(warp::reject::custom);
            async move { admitted }
        });
        admitted.boxed()
    }

    /// An order of a member, with a JSON body.
    fn order<T: DeserializeOwned + Send + 'static>(&self) -> BoxedFilter<(Order<Caller, T>,)> {
        self.order_of(self.caller(), read_json)
    }

    /// An order of a member that the path says it all of.
    fn plain_order(&self) -> BoxedFilter<(Order<Caller, ()>,)> {
        self.order_of(self.caller(), |_, _| Ok(()))
    }

    /// An order of someone without a token.
    fn visitors_order<T: DeserializeOwned + Send + 'static>(&self) -> BoxedFilter<(Order<Visitor, T>,)> {
        self.order_of(self.visitor(), read_json)
    }

    /// An order of anyone, its body read in this way.
    fn order_of<W, T>(&self, from: BoxedFilter<(W,)>, read: ReadBody<T>) -> BoxedFilter<(Order<W, T>,)>
    where
        W: Ordering + Send + 'static,
        T: Send + 'static,
    {
        let store = self.app.store.clone();
        let given = from.and(warp::header::headers_cloned()).and(warp::method()).and(warp::path::full()).and(bytes());
        let order = move |from: W, headers: HeaderMap, method: Method, path: FullPath, body: Bytes| {
            let keyed = Keyed::read(&headers, &store, &from, method.as_str(), path.as_str(), &body);
            let order = keyed.and_then(|keyed| Ok(Order { from, body: read(&headers, &body)?, keyed }));
            async move { order.map_err(warp::reject::custom) as Result<_, Rejection> }
        };
        given.and_then(order).boxed()
    }

    /// The member whose token a request brings.
    async fn identify(&self, headers: &HeaderMap, trace: TraceParent) -> Result<Caller, Problem> {
        let token = bearer_token(headers).ok_or_else(refused)?;
        let claims = self.tokens.verify(token, &self.app.requests, trace).await?;
        if self.ended.has_ended(claims.session_id, claims.account_id).await? {
            return Err(refused());
        }
        self.limits.check_account(claims.account_id)?;
        let services = Services { actor: Some(claims.account_id), ..self.services(trace) };
        let Claims { account_id, session_id, expires_at } = claims;
        Ok(Caller { account_id, session_id, expires_at, services })
    }

    /// The visitor at an address.
    fn admit(
        &self,
        ClientAddress(address): ClientAddress,
        headers: &HeaderMap,
        trace: TraceParent,
    ) -> Result<Visitor, Problem> {
        self.limits.check_address(address)?;
        let named = headers.get(USER_AGENT).and_then(|name| name.to_str().ok()).unwrap_or("unknown");
        let device = named.chars().take(LONGEST_DEVICE).collect();
        let services = Services { order_id: order_id_in(headers)?, ..self.services(trace) };
        Ok(Visitor { address, device, services })
    }

    fn services(&self, trace: TraceParent) -> Services {
        Services { requests: self.app.requests.clone(), actor: None, trace: Some(trace), order_id: None }
    }
}

fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    read(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()), body)
}
