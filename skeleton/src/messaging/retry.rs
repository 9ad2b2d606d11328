//! The retry policy: what happens to a message whose handler fails.

use std::time::Duration;

use crate::{config::RetrySettings, environment::Environment, failure::Failure};

/// The next action for a failed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Retry after this delay.
    Wait(Duration),
    /// Park it for an operator.
    Park,
}

/// Decides the next action for a message that has now failed `attempts` times.
pub fn decide(settings: &RetrySettings, environment: &Environment, failure: &Failure, attempts: u32) -> Decision {
    if matches!(failure, Failure::Reject(_) | Failure::Drop(_)) {
        return Decision::Park;
    }
    let nth = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    match settings.waits_ms.get(nth) {
        Some(wait) => Decision::Wait(Duration::from_millis(jittered(*wait, settings.jitter, environment))),
        None => Decision::Park,
    }
}

/// A delay with jitter, so that messages that failed together are not retried together.
fn jittered(wait_ms: u64, jitter: f64, environment: &Environment) -> u64 {
    let factor = 1.0 + jitter * (2.0 * environment.fraction() - 1.0);
    // Delays are minutes at most: a double is exact.
    (wait_ms as f64 * factor).max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        environment::{Clock, Rng},
        failure::Problem,
    };

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::UNIX_EPOCH
        }
    }

    impl Rng for Fixed {
        fn next(&self) -> u128 {
            u128::MAX
        }
    }

    fn settings() -> RetrySettings {
        RetrySettings { waits_ms: vec![1000, 10_000], jitter: 0.2, handler_timeout_ms: 1, poll_ms: 1, suspect_after: 3 }
    }

    #[test]
    fn trouble_waits_longer_each_time_and_is_parked_in_the_end() {
        let environment = Environment::new(Fixed, Fixed);
        let trouble = Failure::retry("deadlock");
        let decide = |attempts| decide(&settings(), &environment, &trouble, attempts);

        let Decision::Wait(first) = decide(1) else { panic!("the first failure is retried") };
        assert!((1199..=1200).contains(&first.as_millis()), "{first:?} is not 1 s and a fifth");
        assert!(matches!(decide(2), Decision::Wait(wait) if wait > first));
        assert_eq!(decide(3), Decision::Park);
    }

    #[test]
    fn a_refusal_is_parked_at_once() {
        let refusal = Failure::from(Problem::not_found("contact"));

        assert_eq!(decide(&settings(), &Environment::new(Fixed, Fixed), &refusal, 1), Decision::Park);
    }
}
