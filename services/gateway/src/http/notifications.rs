//! The caller's notifications and notification settings.

use notifications_events as notifications;
use notifications_events::{GetDigest, GetPreferences, ListNotifications, MarkRead, PreferenceKind};
use serde::Deserialize;
use skeleton::{
    Problem,
    http::{Json, NoContent, Response, Routes, body, group, idempotency::IdempotentRequest, reply},
};
use uuid::Uuid;
use warp::Filter;

use super::{
    Api,
    query::{Query, query},
};
use crate::{
    caller::Caller,
    views::{DigestView, FeedView, PreferencesView},
};

pub fn routes(api: &Api) -> Routes {
    let list = warp::path!("api" / "v1" / "notifications");
    let list = list.and(warp::get()).and(api.caller()).and(query()).then(list_notifications).map(reply);
    let read = warp::path!("api" / "v1" / "notifications" / Uuid / "read");
    let read = read.and(warp::post()).and(api.write_without_body()).then(mark_read);
    let preferences = || warp::path!("api" / "v1" / "notifications" / "preferences");
    let show = preferences().and(warp::get()).and(api.caller()).then(show_preferences).map(reply);
    let change = preferences().and(warp::put()).and(api.caller()).and(body()).then(change_preferences).map(reply);
    let digest = || warp::path!("api" / "v1" / "notifications" / "digest");
    let show_digest = digest().and(warp::get()).and(api.caller()).then(show_digest).map(reply);
    let choose_digest = digest().and(warp::put()).and(api.caller()).and(body()).then(choose_digest).map(reply);
    let digest = show_digest.or(choose_digest).unify();
    group(list.or(read).unify().or(show).unify().or(change).unify().or(digest).unify())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePreferences {
    items: Vec<Preference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preference {
    kind: PreferenceKind,
    in_app: bool,
    email: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChooseDigest {
    wanted: bool,
}

/// `GET /api/v1/notifications` - a page of the caller's feed, newest first.
async fn list_notifications(caller: Caller, query: Query) -> Result<Json<FeedView>, Problem> {
    let (cursor, limit) = (query.text("cursor").map(str::to_owned), query.limit()?);
    let page = caller.call(&ListNotifications { account_id: caller.account_id, cursor, limit }).await?;
    Ok(Json(page.into()))
}

/// `POST /api/v1/notifications/{id}/read` - marks a notification as read.
async fn mark_read(notification_id: Uuid, request: IdempotentRequest<Caller, ()>) -> Response {
    let mark = |caller: Caller, ()| async move {
        caller.call(&MarkRead { account_id: caller.account_id, notification_id }).await?;
        Ok(NoContent)
    };
    request.run(mark).await
}

/// `GET /api/v1/notifications/preferences` - the caller's notification settings.
async fn show_preferences(caller: Caller) -> Result<Json<PreferencesView>, Problem> {
    let preferences = caller.call(&GetPreferences { account_id: caller.account_id }).await?;
    Ok(Json(preferences.into()))
}

/// `PUT /api/v1/notifications/preferences` - sets the channels of the given kinds.
async fn change_preferences(caller: Caller, asked: ChangePreferences) -> Result<Json<PreferencesView>, Problem> {
    let wanted = |Preference { kind, in_app, email }| notifications::Preference { kind, in_app, email };
    let items = asked.items.into_iter().map(wanted).collect();
    let preferences = caller.call(&notifications::ChangePreferences { account_id: caller.account_id, items }).await?;
    Ok(Json(preferences.into()))
}

/// `GET /api/v1/notifications/digest` - whether the caller wants the digest of unread notifications.
async fn show_digest(caller: Caller) -> Result<Json<DigestView>, Problem> {
    let digest = caller.call(&GetDigest { account_id: caller.account_id }).await?;
    Ok(Json(digest.into()))
}

/// `PUT /api/v1/notifications/digest` - sets whether the caller wants the digest.
async fn choose_digest(caller: Caller, asked: ChooseDigest) -> Result<Json<DigestView>, Problem> {
    let chosen = notifications::ChooseDigest { account_id: caller.account_id, wanted: asked.wanted };
    Ok(Json(caller.call(&chosen).await?.into()))
}
