//! A circuit breaker: a partner that is away gets no calls for a while, then one trial call.

use std::time::Duration;

use tokio::time::Instant;

use super::PartnerSettings;

/// Decides whether a partner may be called.
pub(super) struct Breaker {
    state: State,
    opens_after: u32,
    pause: Duration,
    longest_pause: Duration,
    longest_trial: Duration,
}

#[derive(Clone, Copy)]
enum State {
    /// Calls are made. This many calls in a row have failed.
    Closed { away: u32 },
    /// No calls before `until`; `pause` is the pause that led there.
    Open { until: Instant, pause: Duration },
    /// One trial call is in progress. If its result never arrives, another call may be made at `until`.
    Trial { until: Instant, pause: Duration },
}

impl Breaker {
    pub(super) fn new(settings: &PartnerSettings) -> Self {
        Self {
            state: State::Closed { away: 0 },
            opens_after: settings.opens_after,
            pause: Duration::from_millis(settings.pause_ms),
            longest_pause: Duration::from_millis(settings.longest_pause_ms),
            longest_trial: Duration::from_millis(settings.slot_timeout_ms + settings.call_timeout_ms),
        }
    }

    /// Whether a call may be made; if not, how long until one may.
    pub(super) fn let_through(&mut self, now: Instant) -> Result<(), Duration> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until, .. } | State::Trial { until, .. } if now < until => Err(until - now),
            State::Open { pause, .. } | State::Trial { pause, .. } => {
                self.state = State::Trial { until: now + self.longest_trial, pause };
                Ok(())
            }
        }
    }

    /// The admitted call was not made: the next call is the trial.
    pub(super) fn not_called(&mut self, now: Instant) {
        if let State::Trial { pause, .. } = self.state {
            self.state = State::Open { until: now, pause };
        }
    }

    /// The partner has answered. Returns whether it was considered away.
    pub(super) fn answered(&mut self) -> bool {
        let was_closed = matches!(self.state, State::Closed { .. });
        self.state = State::Closed { away: 0 };
        !was_closed
    }

    /// The partner is away. Returns the pause that begins now, with jitter of up to a fifth added.
    pub(super) fn away(&mut self, now: Instant, jitter: f64) -> Option<Duration> {
        let pause = match self.state {
            State::Closed { away } if away + 1 < self.opens_after => {
                self.state = State::Closed { away: away + 1 };
                return None;
            }
            State::Closed { .. } => self.pause,
            State::Trial { pause, .. } => (pause * 2).min(self.longest_pause),
            // A call that was in progress when the pause began.
            State::Open { .. } => return None,
        };
        let wait = pause.mul_f64(1.0 + jitter / 5.0);
        self.state = State::Open { until: now + wait, pause };
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        let settings =
            PartnerSettings { opens_after: 2, pause_ms: 100, longest_pause_ms: 150, ..PartnerSettings::of(1, 1000, 1) };
        Breaker::new(&settings)
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn it_opens_after_as_many_as_it_is_told_in_a_row() {
        let (mut breaker, now) = (breaker(), Instant::now());

        assert_eq!(breaker.away(now, 0.0), None);
        assert!(!breaker.answered());
        assert_eq!(breaker.away(now, 0.0), None);
        assert_eq!(breaker.let_through(now), Ok(()));
        assert_eq!(breaker.away(now, 0.0), Some(ms(100)));

        assert_eq!(breaker.let_through(now + ms(99)), Err(ms(1)));
    }

    #[test]
    fn one_call_finds_out_and_an_answer_closes_it() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.away(now, 0.0);
        breaker.away(now, 0.0);

        assert_eq!(breaker.let_through(now + ms(100)), Ok(()));
        assert!(breaker.let_through(now + ms(100)).is_err(), "a second call was admitted");
        assert!(breaker.answered());

        assert_eq!(breaker.let_through(now + ms(100)), Ok(()));
        assert_eq!(breaker.let_through(now + ms(100)), Ok(()));
    }

    #[test]
    fn each_trial_that_fails_makes_the_pause_longer_up_to_a_limit() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.away(now, 0.0);
        assert_eq!(breaker.away(now, 1.0), Some(ms(120)));

        breaker.let_through(now + ms(120)).unwrap();

        assert_eq!(breaker.away(now + ms(120), 0.0), Some(ms(150)));
        assert_eq!(breaker.away(now + ms(120), 0.0), None);
    }

    #[test]
    fn a_trial_that_was_not_made_or_is_lost_leaves_it_to_the_next() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.away(now, 0.0);
        breaker.away(now, 0.0);

        breaker.let_through(now + ms(100)).unwrap();
        breaker.not_called(now + ms(100));
        assert_eq!(breaker.let_through(now + ms(100)), Ok(()));

        let lost = breaker.let_through(now + ms(100)).unwrap_err();
        assert_eq!(breaker.let_through(now + ms(100) + lost), Ok(()));
    }
}
