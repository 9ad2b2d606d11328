//! Registering, signing in and out, and the caller's account.

use accounts_events as accounts;
use serde::Deserialize;
use skeleton::{
    Problem,
    http::{
        Accepted, Created, Json, NoContent, Response, Routes, group,
        idempotency::{BelongsTo, IdempotentRequest},
        reply,
    },
};
use uuid::Uuid;
use warp::Filter;

use super::Api;
use crate::{
    caller::{Caller, Visitor},
    views::{AccountView, ErasureBegunView, ErasureView, TokensView},
};

pub fn routes(api: &Api) -> Routes {
    let register = warp::path!("api" / "v1" / "accounts").and(warp::post()).and(api.visitors_write()).then(register);
    let sign_in = warp::path!("api" / "v1" / "sessions")
        .and(warp::post())
        .and(api.visitor())
        .and(skeleton::http::body())
        .then(sign_in)
        .map(reply);
    let refresh = warp::path!("api" / "v1" / "sessions" / "refresh")
        .and(warp::post())
        .and(api.visitor())
        .and(skeleton::http::body())
        .then(refresh)
        .map(reply);
    let sign_out = warp::path!("api" / "v1" / "sessions" / "current")
        .and(warp::delete())
        .and(api.write_without_body())
        .then(sign_out);
    let me = || warp::path!("api" / "v1" / "me");
    let show = me().and(warp::get()).and(api.caller()).then(show_me).map(reply);
    let change = me().and(warp::patch()).and(api.write()).then(change_me);
    let erase = me().and(warp::delete()).and(api.write_without_body()).then(erase_me);
    let receipt = warp::path!("api" / "v1" / "erasures" / Uuid).and(warp::get());
    let receipt = receipt.and(api.visitor()).then(show_erasure).map(reply);
    let anonymous = register.or(sign_in).unify().or(refresh).unify().or(receipt).unify();
    group(anonymous.or(sign_out).unify().or(show).unify().or(change).unify().or(erase).unify())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterAccount {
    email: String,
    password: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenSession {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshSession {
    refresh_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeAccount {
    name: Option<String>,
    discoverable: Option<bool>,
    nameable: Option<bool>,
    password: Option<ChangePassword>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    current: String,
    new: String,
}

/// `POST /api/v1/accounts` - creates an account.
async fn register(request: IdempotentRequest<Visitor, RegisterAccount>) -> Response {
    let register = |visitor: Visitor, RegisterAccount { email, password, name }| async move {
        let request = accounts::RegisterAccount { email, password, name, discoverable: None, nameable: None };
        let account = visitor.call(&request).await?;
        Ok(BelongsTo { account_id: account.account_id, response: Created(AccountView::from(account)) })
    };
    request.run(register).await
}

/// `POST /api/v1/sessions` - signs in.
async fn sign_in(visitor: Visitor, asked: OpenSession) -> Result<Json<TokensView>, Problem> {
    let OpenSession { email, password } = asked;
    let request = accounts::OpenSession { email, password, device: visitor.device.clone() };
    Ok(Json(visitor.call(&request).await?.into()))
}

/// `POST /api/v1/sessions/refresh` - exchanges a refresh token for new tokens.
async fn refresh(visitor: Visitor, asked: RefreshSession) -> Result<Json<TokensView>, Problem> {
    let request = accounts::RefreshSession { refresh_token: asked.refresh_token };
    Ok(Json(visitor.call(&request).await?.into()))
}

/// `DELETE /api/v1/sessions/current` - ends the session that the token belongs to.
async fn sign_out(request: IdempotentRequest<Caller, ()>) -> Response {
    let sign_out = |caller: Caller, ()| async move {
        let Caller { account_id, session_id, .. } = caller;
        caller.call(&accounts::CloseSession { account_id, session_id }).await?;
        Ok(NoContent)
    };
    request.run(sign_out).await
}

/// `GET /api/v1/me` - the caller's account.
async fn show_me(caller: Caller) -> Result<Json<AccountView>, Problem> {
    let account = caller.call(&accounts::GetAccount { account_id: caller.account_id }).await?;
    Ok(Json(account.into()))
}

/// `PATCH /api/v1/me` - changes the given values of the caller's account.
async fn change_me(request: IdempotentRequest<Caller, ChangeAccount>) -> Response {
    let change = |caller: Caller, ChangeAccount { name, discoverable, nameable, password }| async move {
        let password = password.map(|ChangePassword { current, new }| accounts::PasswordChange { current, new });
        let Caller { account_id, session_id, .. } = caller;
        let session_id = Some(session_id);
        let request = accounts::ChangeAccount { account_id, session_id, name, discoverable, nameable, password };
        Ok(Json(AccountView::from(caller.call(&request).await?)))
    };
    request.run(change).await
}

/// `DELETE /api/v1/me` - erases the caller's account, and returns a receipt that shows the progress.
async fn erase_me(request: IdempotentRequest<Caller, ()>) -> Response {
    let erase = |caller: Caller, ()| async move {
        let begun = caller.call(&accounts::EraseAccountV2 { account_id: caller.account_id }).await?;
        let body = ErasureBegunView::from(begun);
        Ok(Accepted { location: format!("/api/v1/erasures/{}", body.receipt_id), body })
    };
    request.run(erase).await
}

/// `GET /api/v1/erasures/{id}` - which services have confirmed that they have erased everything of an account.
async fn show_erasure(receipt_id: Uuid, visitor: Visitor) -> Result<Json<ErasureView>, Problem> {
    let erasure = visitor.call(&accounts::GetErasure { receipt_id }).await?;
    Ok(Json(erasure.into()))
}
