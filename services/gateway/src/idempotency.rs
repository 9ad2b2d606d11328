//! Orders that may be given again: under one `Idempotency-Key` an order is done once, and answered the same each time.
//!
//! A key belongs to who gives it, for 24 hours. What the order came to is kept where it would come to the same again;
//! otherwise (trouble on our side, too many requests) the same order may be given again, and the other services are
//! asked under the id they were asked under before.

use bytes::Bytes;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use skeleton::{
    Failure, Postgres, Problem,
    http::{IntoResponse, Response, problem_response, reply},
};
use uuid::Uuid;
use warp::http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, HeaderName, LOCATION},
};

use crate::{
    caller::Ordering,
    store::{self, KeptAnswer, KeyedOrder},
};

const LONGEST_KEY: usize = 255;

/// What is to be done, and for whom.
pub struct Order<W, T> {
    /// Who gives it.
    pub from: W,
    /// What it says.
    pub body: T,
    /// Where it may come again.
    pub keyed: Option<Keyed>,
}

/// An order under a key.
pub struct Keyed {
    store: Postgres,
    order: KeyedOrder,
}

/// What a key stands for.
enum Claimed {
    /// An order to be done, asking under this id.
    New(Uuid),
    /// One that is done.
    Done(KeptAnswer),
}

impl<W: Ordering, T> Order<W, T> {
    /// Does it, or gives the answer that it was given before.
    pub async fn run<H, F, R>(self, handle: H) -> Response
    where
        H: FnOnce(W, T) -> F,
        F: Future<Output = Result<R, Problem>>,
        R: IntoResponse,
    {
        let Some(keyed) = self.keyed else { return reply(handle(self.from, self.body).await) };
        match keyed.claim().await {
            Ok(Claimed::New(id)) => keyed.keep(reply(handle(self.from.under(id), self.body).await)).await,
            Ok(Claimed::Done(answer)) => response_of(answer),
            Err(failure) => reply(Err::<Response, _>(failure)),
        }
    }
}

impl Keyed {
    /// An order under the key that its headers name; none where they name none. `body` tells it from other orders.
    ///
    /// # Errors
    /// 400 where the key is no key.
    pub fn read(
        headers: &HeaderMap,
        store: &Postgres,
        from: &impl Ordering,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let Some(key) = key_in(headers)? else { return Ok(None) };
        let order = KeyedOrder {
            key_hash: hash(&[from.owner().as_bytes(), key.as_bytes()]),
            account_id: from.account_id(),
            method: method.to_owned(),
            path: path.to_owned(),
            body_hash: hash(&[key.as_bytes(), body]),
        };
        Ok(Some(Self { store: store.clone(), order }))
    }

    async fn claim(&self) -> Result<Claimed, Failure> {
        let KeyedOrder { key_hash, method, path, body_hash, .. } = &self.order;
        if let Some(id) = store::take_key(&self.store, &self.order, Uuid::new_v4()).await? {
            return Ok(Claimed::New(id));
        }
        // Gone again only where its time was over in this very moment.
        let known =
            store::find_key(&self.store, key_hash).await?.ok_or_else(|| Failure::retry("the key has expired"))?;
        if (&known.method, &known.path, &known.body_hash) != (method, path, body_hash) {
            let detail = "this idempotency key was used for another request: take a new one for each";
            return Err(Problem::new(422, "idempotency-key-reused", detail).into());
        }
        if let Some(answer) = known.answer {
            return Ok(Claimed::Done(answer));
        }
        store::take_over_key(&self.store, key_hash).await?.map(Claimed::New).ok_or_else(|| in_flight().into())
    }

    /// Keeps an answer, and hands it on whether it could be kept or not.
    async fn keep(self, response: Response) -> Response {
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
            return reply(Err::<Response, _>(Failure::bug("an answer's body broke off")));
        };
        let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kept = if would_be_the_same_again(head.status) {
            let (location, content_type) = (text(LOCATION), text(CONTENT_TYPE));
            let answer =
                KeptAnswer { status: head.status.as_u16().into(), location, content_type, body: body.to_vec() };
            store::keep_answer(&self.store, &self.order.key_hash, &answer).await
        } else {
            store::release_key(&self.store, &self.order.key_hash).await
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "an answer could not be kept: the same order will be done again in a minute");
        }
        Response::from_parts(head, body.into())
    }
}

/// The id under which the other services are asked for an order whose answer is not kept here.
///
/// # Errors
/// 400 where the key is no key.
pub fn order_id_in(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    Ok(key_in(headers)?.map(|key| Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes())))
}

fn key_in(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    let detail = "the idempotency-key must have 1 to 255 visible characters";
    key.map(Some).ok_or_else(|| Problem::new(400, "invalid-idempotency-key", detail))
}

fn in_flight() -> Problem {
    let detail = "the same request is being worked on: wait for its answer, or ask again in a moment";
    Problem { retry_after: Some(1), ..Problem::new(409, "request-in-flight", detail) }
}

/// Refusals that time or a new token can change are not kept, nor is trouble of ours.
fn would_be_the_same_again(status: StatusCode) -> bool {
    let passing = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !passing.contains(&status)
}

/// A hash of several parts that cannot be confused with that of others.
fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn response_of(answer: KeptAnswer) -> Response {
    let Ok(status) = u16::try_from(answer.status).map(StatusCode::from_u16) else { return unreadable() };
    let mut response = Response::new(Bytes::from(answer.body).into());
    *response.status_mut() = status.unwrap_or(StatusCode::OK);
    for (name, text) in [(LOCATION, answer.location), (CONTENT_TYPE, answer.content_type)] {
        let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) else { continue };
        response.headers_mut().insert(name, value);
    }
    response
}

fn unreadable() -> Response {
    problem_response(&Problem::unavailable("the first answer to this cannot be read"))
}
