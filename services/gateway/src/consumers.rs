//! The events the gateway listens to: what ends a token, and what browsers are told.

use chrono::TimeDelta;
use events::{
    accounts::{Erased, SessionEnded},
    contacts::{ImportCancelled, ImportFailed, ImportFinished, ImportProgressed, ImportStarted},
    gateway::AccountDataErased,
    network::IdentityLinked,
    notifications::{Delivered, DeliveredChannel},
};
use serde::Serialize;
use skeleton::{Failure, HandlerResult, Publish, Subscriptions, store::postgres::Tx};
use uuid::Uuid;

use crate::{
    ended::Ended,
    live::Live,
    store::{self, StreamEvent},
    views::{ImportView, NotificationView},
};

/// How much later than its time a token may still be taken as valid.
const LEEWAY: TimeDelta = TimeDelta::seconds(10);
/// No access token lives longer.
const LONGEST_TOKEN: TimeDelta = TimeDelta::hours(24);

/// Which function handles which event.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new()
        .on(on_session_ended)
        .on(on_erased)
        .in_order(on_import_started)
        .in_order(on_import_progressed)
        .in_order(on_import_finished)
        .in_order(on_import_failed)
        .in_order(on_import_cancelled)
        .on(on_delivered)
        .on(on_identity_linked)
}

/// The tokens of a session that has ended are refused from now on.
async fn on_session_ended(ended: SessionEnded, tx: &mut Tx) -> HandlerResult {
    end(tx, ended.session_id, ended.tokens_expire_at + LEEWAY).await
}

/// An erased account's tokens are refused, and nothing of it is kept.
async fn on_erased(erased: Erased, tx: &mut Tx) -> HandlerResult {
    let removed = store::forget_account(tx, erased.account_id).await?;
    end(tx, erased.account_id, erased.erased_at + LONGEST_TOKEN).await?;
    let erased_at = tx.now();
    tx.publish(AccountDataErased { account_id: erased.account_id, erased_at, removed })
}

/// Browsers see that a file is being read.
async fn on_import_started(started: ImportStarted, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, started.account_id, started.into()).await
}

/// Browsers see how far a file has been read.
async fn on_import_progressed(progressed: ImportProgressed, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, progressed.account_id, progressed.into()).await
}

/// Browsers see that a file has been read.
async fn on_import_finished(finished: ImportFinished, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, finished.account_id, finished.into()).await
}

/// Browsers see that a file could not be read.
async fn on_import_failed(failed: ImportFailed, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, failed.account_id, failed.into()).await
}

/// Browsers see that no more of a file is read.
async fn on_import_cancelled(cancelled: ImportCancelled, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, cancelled.account_id, cancelled.into()).await
}

/// Browsers show a new notification.
async fn on_delivered(delivered: Delivered, tx: &mut Tx) -> HandlerResult {
    if delivered.channel != DeliveredChannel::InApp {
        return Ok(());
    }
    let topic = format!("notification {}", delivered.notification_id);
    tell(tx, delivered.account_id, topic, "notification", &NotificationView::from(delivered)).await
}

/// Browsers may ask for the degrees anew.
async fn on_identity_linked(linked: IdentityLinked, tx: &mut Tx) -> HandlerResult {
    tell(tx, linked.owner_id, "network".to_owned(), "network", &serde_json::json!({})).await
}

async fn tell_import(tx: &mut Tx, account_id: Uuid, import: ImportView) -> HandlerResult {
    tell(tx, account_id, format!("import {}", import.id), "import", &import).await
}

async fn tell(tx: &mut Tx, account_id: Uuid, topic: String, name: &str, data: &impl Serialize) -> HandlerResult {
    let data = serde_json::to_string(data).map_err(Failure::bug)?;
    let id = store::append(tx, &StreamEvent { account_id, topic, name, data }).await?;
    let live = tx.resource::<Live>();
    tx.after_commit(move || live.wake(account_id, id));
    Ok(())
}

async fn end(tx: &mut Tx, id: Uuid, until: chrono::DateTime<chrono::Utc>) -> HandlerResult {
    store::end(tx, id, until).await?;
    let ended = tx.resource::<Ended>();
    tx.after_commit(move || ended.add(id, until));
    Ok(())
}
