//! Forgets what nobody can use any more, every hour.

use std::{sync::Arc, time::Duration};

use skeleton::{App, Postgres, housekeeping::remove_expired, stop::Stop};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::{domain::Throttle, store, tokens::Tokens};

const HOUR: Duration = Duration::from_secs(3600);

/// Cleans up until told to stop.
pub async fn run(app: App<Postgres>, stop: Stop) {
    let mut hours = interval(HOUR);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            _ = hours.tick() => clean_up(&app, &stop).await,
        }
    }
}

async fn clean_up(app: &App<Postgres>, stop: &Stop) {
    let (tokens, throttle): (Arc<Tokens>, Arc<Throttle>) = (app.resource(), app.resource());
    let now = app.service.surroundings.now();
    let (unused_since, counted_since) = (now - tokens.rules().lifetime, now - throttle.window());
    let expiring = [
        ("erasure receipts", store::OLD_RECEIPTS, store::receipts_kept_since(now)),
        ("sessions", store::UNUSED_SESSIONS, unused_since),
        ("refresh tokens", store::OLD_TOKENS, unused_since),
        ("failed sign-ins", store::OLD_FAILURES, counted_since),
    ];
    for (kind, sql, than) in expiring {
        let removing = remove_expired(kind, stop, |limit| store::remove_older(&app.store, sql, than, limit));
        match removing.await {
            Ok(rows) => info!(kind, rows, "expired rows are removed"),
            Err(error) => warn!(kind, %error, "expired rows cannot be removed; retrying in an hour"),
        }
    }
}
