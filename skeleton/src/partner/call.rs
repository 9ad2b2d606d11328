//! A call, and its retries.

use std::time::Duration;

use metrics::counter;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Fault, Partner, outcome::Attempt};
use crate::failure::Failure;

/// The delay before the first retry of a call; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

impl Partner {
    /// Makes a call when its turn comes. If the partner is away and the budget allows, the call is retried, so it must
    /// be idempotent.
    ///
    /// # Errors
    /// The failure that the partner answered with; unavailable if the partner is away or the turn does not come in
    /// time.
    pub async fn call<T, Out>(&self, make: impl Fn() -> Out) -> Result<T, Failure>
    where
        Out: Future<Output = Result<T, Fault>>,
    {
        self.budget().earn();
        let (mut wait, mut again) = (FIRST_WAIT, self.shared.settings.attempts.saturating_sub(1));
        loop {
            let reason = match self.attempt(&make).await {
                Attempt::HandlerResult(answer) => return answer,
                Attempt::NotMade(failure) => return Err(failure),
                Attempt::Away(reason) => reason,
            };
            if again == 0 || !self.budget().spend() {
                return Err(self.unavailable(&reason));
            }
            again -= 1;
            counter!("partner_retries_total", "partner" => self.name()).increment(1);
            sleep(self.jittered(wait)).await;
            wait *= 2;
        }
    }

    async fn attempt<T, Out>(&self, make: impl Fn() -> Out) -> Attempt<T>
    where
        Out: Future<Output = Result<T, Fault>>,
    {
        if let Err(still) = self.breaker().let_through(Instant::now()) {
            self.count("not made: away");
            return Attempt::NotMade(self.unavailable(&format!("is called again in {} ms", still.as_millis())));
        }
        let (place, deadline) = match self.turn().await {
            Ok(turn) => turn,
            Err(failure) => {
                self.breaker().not_called(Instant::now());
                self.count("not made: no turn");
                return Attempt::NotMade(failure);
            }
        };
        let outcome = timeout_at(deadline, make()).await;
        place.leave().await;
        match outcome {
            Ok(Ok(answer)) => self.answered("done", Ok(answer)),
            Ok(Err(Fault::Answer(failure))) => self.answered("refused", Err(failure)),
            Ok(Err(Fault::Away(reason))) => self.away(reason),
            Err(_) => self.away(format!("did not answer within {} ms", self.shared.settings.call_timeout_ms)),
        }
    }
}
