//! What goes on beside all requests: catching up with other replicas, and forgetting what has lived long enough.

use std::{fmt::Display, time::Duration};

use skeleton::{App, Postgres, stop::Stop};
use tokio::time::Instant;

use crate::{ended::Ended, live::Live, store, tokens::Tokens};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const BETWEEN_CLEANINGS: Duration = Duration::from_secs(60);
const BETWEEN_KEYS: Duration = Duration::from_secs(3_600);

/// Runs until told to stop.
pub async fn run(app: App<Postgres>, stop: Stop) {
    let (ended, live, tokens) = (app.resource::<Ended>(), app.resource::<Live>(), app.resource::<Tokens>());
    let (mut cleaned, mut renewed) = (Instant::now(), Instant::now());
    while !stop.is_stopped() {
        told("ended sessions", ended.catch_up(&app.store).await);
        told("streams", live.catch_up(&app.store).await);
        if cleaned.elapsed() > BETWEEN_CLEANINGS {
            cleaned = Instant::now();
            told("cleaning", store::clean_up(&app.store).await);
        }
        if renewed.elapsed() > BETWEEN_KEYS {
            renewed = Instant::now();
            told("signing keys", tokens.renew_keys(&app.requests, None).await);
        }
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(BETWEEN_LOOKS) => {}
        }
    }
}

fn told(what: &str, outcome: Result<(), impl Display>) {
    if let Err(error) = outcome {
        tracing::warn!(what, %error, "this could not be brought up to date: trying again");
    }
}
