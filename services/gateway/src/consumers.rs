//! The events that the gateway subscribes to: the ends of tokens, and events for browsers.

use accounts_events::{Erased, SessionEnded};
use chrono::TimeDelta;
use contacts_events::{ImportCancelled, ImportFailed, ImportFinished, ImportProgressed, ImportStarted};
use gateway_events::AccountDataErased;
use network_events::IdentityLinked;
use notifications_events::{Delivered, DeliveredChannel};
use serde::Serialize;
use skeleton::{Failure, HandlerResult, Publish, Subscriptions, store::postgres::Tx};
use uuid::Uuid;

use crate::{
    ended::Ended,
    live::Live,
    store::{self, StreamEvent},
    views::{ImportView, NotificationView},
};

/// How far the clocks of accounts and of the gateway's replicas may be apart. A replica whose clock is behind accepts a
/// token for longer than accounts meant.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(15);
/// The longest lifetime of an access token.
const LONGEST_TOKEN: TimeDelta = TimeDelta::hours(24);

/// The handler of each event.
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

/// Refuses the tokens of an ended session from now on.
async fn on_session_ended(ended: SessionEnded, tx: &mut Tx) -> HandlerResult {
    let ended_at = tx.message_time().unwrap_or(ended.tokens_expire_at);
    let left = (ended.tokens_expire_at - ended_at).clamp(TimeDelta::zero(), LONGEST_TOKEN);
    end(tx, ended.session_id, left).await
}

/// Refuses an erased account's tokens, and deletes everything stored for it.
async fn on_erased(erased: Erased, tx: &mut Tx) -> HandlerResult {
    let removed = store::erase_account(tx, erased.account_id).await?;
    end(tx, erased.account_id, LONGEST_TOKEN).await?;
    let erased_at = tx.now();
    tx.publish(AccountDataErased { account_id: erased.account_id, erased_at, removed })
}

/// Streams to browsers that the import of a file has started.
async fn on_import_started(started: ImportStarted, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, started.account_id, started.into()).await
}

/// Streams an import's progress to browsers.
async fn on_import_progressed(progressed: ImportProgressed, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, progressed.account_id, progressed.into()).await
}

/// Streams to browsers that an import has finished.
async fn on_import_finished(finished: ImportFinished, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, finished.account_id, finished.into()).await
}

/// Streams to browsers that a file could not be imported.
async fn on_import_failed(failed: ImportFailed, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, failed.account_id, failed.into()).await
}

/// Streams to browsers that an import was cancelled.
async fn on_import_cancelled(cancelled: ImportCancelled, tx: &mut Tx) -> HandlerResult {
    tell_import(tx, cancelled.account_id, cancelled.into()).await
}

/// Streams a new notification to browsers.
async fn on_delivered(delivered: Delivered, tx: &mut Tx) -> HandlerResult {
    if delivered.channel != DeliveredChannel::InApp {
        return Ok(());
    }
    let topic = format!("notification {}", delivered.notification_id);
    tell(tx, delivered.account_id, topic, "notification", &NotificationView::from(delivered)).await
}

/// Streams to browsers that the degrees may have changed.
async fn on_identity_linked(linked: IdentityLinked, tx: &mut Tx) -> HandlerResult {
    tell(tx, linked.owner_id, "network".to_owned(), "network", &serde_json::json!({})).await
}

async fn tell_import(tx: &mut Tx, account_id: Uuid, import: ImportView) -> HandlerResult {
    tell(tx, account_id, format!("import {}", import.id), "import", &import).await
}

async fn tell(tx: &mut Tx, account_id: Uuid, topic: String, name: &str, data: &impl Serialize) -> HandlerResult {
    let data = serde_json::to_string(data).map_err(Failure::bug)?;
    let event = StreamEvent { account_id, topic, name, data };
    let Some(id) = store::append(tx, &event).await? else { return Ok(()) };
    let live = tx.resource::<Live>();
    tx.after_commit(move || live.wake(account_id, id));
    Ok(())
}

/// Refuses tokens of a session or account for as long as one may be valid: `left` by the clock of accounts. Only a
/// duration is taken from there, because the store's clock may differ.
async fn end(tx: &mut Tx, id: Uuid, left: TimeDelta) -> HandlerResult {
    let until = store::end(tx, id, left + CLOCK_SKEW).await?;
    let ended = tx.resource::<Ended>();
    tx.after_commit(move || ended.add(id, until));
    Ok(())
}
