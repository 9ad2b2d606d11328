//! The turn of a call: its places among the calls of all replicas.

use std::time::Duration;

use metrics::histogram;
use tokio::time::{Instant, sleep};
use tracing::warn;
use uuid::Uuid;

use super::{Partner, Shared};
use crate::{failure::Failure, store::limits::CallAdmission};

/// How often to look for a free place: one may become free earlier than the store can predict.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Partner {
    /// Waits for the turn of a call. Returns its places and its deadline.
    pub(super) async fn turn(&self) -> Result<(Places<'_>, Instant), Failure> {
        let Shared { limit, limits, settings, environment, .. } = &*self.shared;
        let call = environment.new_id();
        let came = Instant::now();
        let deadline = came + Duration::from_millis(settings.slot_timeout_ms);
        loop {
            // Taken before the store is asked: by the store's clock, the places are reserved for longer than the call
            // can last.
            let asked = Instant::now();
            let CallAdmission::After(wait) = limits.take_turn(limit, call).await? else {
                histogram!("partner_wait_seconds", "partner" => self.name()).record(came.elapsed().as_secs_f64());
                return Ok((Places { partner: self, call, are_left: false }, asked + limit.longest_call));
            };
            let wait = self.jittered(wait.clamp(Duration::from_millis(2), LOOK_AGAIN));
            if Instant::now() + wait > deadline {
                let reason = format!("has no room for another call: waited {} ms", settings.slot_timeout_ms);
                return Err(self.unavailable(&reason));
            }
            sleep(wait).await;
        }
    }
}

/// The places that a call holds.
pub(super) struct Places<'a> {
    partner: &'a Partner,
    call: Uuid,
    are_left: bool,
}

impl Places<'_> {
    /// Frees the places for the next call. If the store does not answer, they are free when the call's time is over.
    pub(super) async fn leave(mut self) {
        self.are_left = true;
        let Shared { limit, limits, .. } = &*self.partner.shared;
        if let Err(error) = limits.end_turn(limit, self.call).await {
            warn!(partner = limit.partner, %error, "failed to record the end of a call; its places are freed later");
        }
    }
}

impl Drop for Places<'_> {
    /// A call that is abandoned together with its handler has ended too.
    fn drop(&mut self) {
        if self.are_left {
            return;
        }
        let places = (self.partner.clone(), self.call);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let (partner, call) = places;
                Places { partner: &partner, call, are_left: false }.leave().await;
            });
        }
    }
}
