//! The settings of a partner, in the section `partners.<name>`.

use std::time::Duration;

use serde::Deserialize;

use crate::store::limits::Limit;

/// A place is a row of the store; more rows would slow down every call.
const MOST_PLACES: u32 = 10_000;

/// How a partner may be called.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerSettings {
    /// The most calls that all replicas together make in a period.
    pub calls: u32,
    /// The period, in milliseconds.
    pub period_ms: u64,
    /// The most concurrent calls of all replicas together.
    pub at_once: u32,
    /// How long one call may take, in milliseconds.
    #[serde(default = "ten_seconds")]
    pub call_timeout_ms: u64,
    /// How long a call waits for its turn, in milliseconds, before it fails as unavailable.
    #[serde(default = "five_seconds")]
    pub slot_timeout_ms: u64,
    /// The most attempts at one call while the partner is away.
    #[serde(default = "three")]
    pub attempts: u32,
    /// The share of all calls that may be retries.
    #[serde(default = "a_tenth")]
    pub retry_share: f64,
    /// After how many calls in a row that found the partner away the calls pause.
    #[serde(default = "five")]
    pub opens_after: u32,
    /// The first pause, in milliseconds; it doubles each time the partner is still away.
    #[serde(default = "five_seconds")]
    pub pause_ms: u64,
    /// The longest pause, in milliseconds.
    #[serde(default = "a_minute")]
    pub longest_pause_ms: u64,
}

fn ten_seconds() -> u64 {
    10_000
}

fn five_seconds() -> u64 {
    5000
}

fn a_minute() -> u64 {
    60_000
}

fn three() -> u32 {
    3
}

fn five() -> u32 {
    5
}

fn a_tenth() -> f64 {
    0.1
}

impl PartnerSettings {
    /// The given limits, with defaults for all other settings.
    pub fn of(calls: u32, period_ms: u64, at_once: u32) -> Self {
        Self {
            calls,
            period_ms,
            at_once,
            call_timeout_ms: ten_seconds(),
            slot_timeout_ms: five_seconds(),
            attempts: three(),
            retry_share: a_tenth(),
            opens_after: five(),
            pause_ms: five_seconds(),
            longest_pause_ms: a_minute(),
        }
    }

    /// The errors in these settings, for handlers with the given timeout.
    pub fn errors(&self, handler_timeout_ms: u64) -> Vec<String> {
        let mut errors = Vec::new();
        let mut check = |is_good: bool, text: String| errors.extend((!is_good).then_some(text));
        let places = 1..=MOST_PLACES;
        check(places.contains(&self.calls), format!("calls must be 1 to {MOST_PLACES}: choose a shorter period"));
        check(places.contains(&self.at_once), format!("at_once must be 1 to {MOST_PLACES}"));
        check(self.period_ms > 0, "period_ms must be 1 or more".to_owned());
        check(self.call_timeout_ms > 0, "call_timeout_ms must be 1 or more".to_owned());
        check(self.attempts > 0, "attempts must be 1 or more".to_owned());
        check(self.opens_after > 0, "opens_after must be 1 or more".to_owned());
        check((0.0..=1.0).contains(&self.retry_share), "retry_share must be 0 to 1".to_owned());
        let longest =
            u64::from(self.attempts).saturating_mul(self.slot_timeout_ms.saturating_add(self.call_timeout_ms));
        let is_in_time = longest < handler_timeout_ms;
        check(
            is_in_time,
            format!(
                "attempts × (slot_timeout_ms + call_timeout_ms) are {longest} ms, and a handler has {handler_timeout_ms} ms: \
                 lower them, or raise retry.handler_timeout_ms"
            ),
        );
        errors
    }

    pub(super) fn limit(&self, partner: &str) -> Limit {
        Limit {
            partner: partner.to_owned(),
            calls: self.calls,
            period: Duration::from_millis(self.period_ms),
            at_once: self.at_once,
            longest_call: Duration::from_millis(self.call_timeout_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_into_a_handlers_time() {
        assert_eq!(PartnerSettings::of(10, 1000, 2).errors(60_000), [""; 0]);
    }

    #[test]
    fn every_mistake_is_named() {
        let settings = PartnerSettings { attempts: 9, retry_share: 2.0, ..PartnerSettings::of(0, 0, 20_000) };

        let text = settings.errors(60_000).join("\n");

        for mistake in ["calls must be", "period_ms", "at_once", "retry_share", "135000 ms"] {
            assert!(text.contains(mistake), "{mistake} is missing from:\n{text}");
        }
    }
}
