//! What goes on beside all requests: catching up with other replicas, and forgetting what has lived long enough.

use std::{fmt::Display, time::Duration};

use skeleton::{App, Postgres, housekeeping::remove_expired, stop::Stop};

use crate::{ended::Ended, live::Live, store, tokens::Tokens};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const BETWEEN_CLEANINGS: Duration = Duration::from_secs(60);
const BETWEEN_KEYS: Duration = Duration::from_secs(3_600);

/// Learns what has ended on other replicas, until told to stop.
pub async fn keep_revocations(app: App<Postgres>, stop: Stop) {
    let ended = app.resource::<Ended>();
    while !stop.is_stopped() {
        told("ended sessions", ended.catch_up(&app.store).await);
        pause(BETWEEN_LOOKS, &stop).await;
    }
}

/// Wakes the streams that other replicas have written to, until told to stop.
pub async fn keep_streams(app: App<Postgres>, stop: Stop) {
    let live = app.resource::<Live>();
    while !stop.is_stopped() {
        told("streams", live.catch_up(&app.store).await);
        pause(BETWEEN_LOOKS, &stop).await;
    }
}

/// Asks for the signing keys once an hour, until told to stop.
pub async fn renew_keys(app: App<Postgres>, stop: Stop) {
    let tokens = app.resource::<Tokens>();
    pause(BETWEEN_KEYS, &stop).await;
    while !stop.is_stopped() {
        told("signing keys", tokens.renew_keys(&app.requests).await);
        pause(BETWEEN_KEYS, &stop).await;
    }
}

/// Forgets what has lived long enough, until told to stop.
pub async fn clean_up(app: App<Postgres>, stop: Stop) {
    while !stop.is_stopped() {
        for (kind, sql) in store::EXPIRING {
            let removed = remove_expired(kind, &stop, |limit| store::remove_expired(&app.store, sql, limit)).await;
            told(kind, removed.map(drop));
        }
        pause(BETWEEN_CLEANINGS, &stop).await;
    }
}

async fn pause(length: Duration, stop: &Stop) {
    tokio::select! {
        () = stop.stopped() => {}
        () = tokio::time::sleep(length) => {}
    }
}

fn told(what: &str, outcome: Result<(), impl Display>) {
    if let Err(error) = outcome {
        tracing::warn!(what, %error, "this could not be brought up to date: trying again");
    }
}
