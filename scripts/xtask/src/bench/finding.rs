//! One figure over all rounds, with its baseline if it has one.

use serde_json::{Value, json};

use crate::usage::Usage;

/// The target of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Ours divided by the baseline is at least this.
    RatioAtLeast(f64),
    /// Ours divided by the baseline is at most this.
    RatioAtMost(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// No target: shown to explain another figure.
    None,
}

/// One figure over all rounds, with its baseline if it has one.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The row it belongs to.
    pub row: &'static str,
    /// What was measured.
    pub what: String,
    /// The unit.
    pub unit: &'static str,
    /// Our values, one per round.
    pub ours: Vec<f64>,
    /// The baseline's values, one per round; empty if there is no baseline.
    pub baseline: Vec<f64>,
    /// The target.
    pub aim: Aim,
    /// Resources used by ours and by the baseline, one per round; CPU time is per 10,000.
    pub usage: Vec<(Usage, Option<Usage>)>,
}

impl Finding {
    /// A finding without values.
    pub fn new(row: &'static str, what: impl Into<String>, unit: &'static str, aim: Aim) -> Self {
        Self { row, what: what.into(), unit, ours: Vec::new(), baseline: Vec::new(), aim, usage: Vec::new() }
    }

    /// Adds a round.
    pub fn add(&mut self, ours: f64, baseline: f64) {
        self.ours.push(ours);
        self.baseline.push(baseline);
    }

    /// Adds the resources used in a round.
    pub fn add_usage(&mut self, ours: Usage, baseline: Option<Usage>) {
        self.usage.push((ours, baseline));
    }

    /// Adds the resources used in a round in this process: the baseline ran first, then ours, `count` operations each.
    pub fn add_turns(&mut self, [began, between, ended]: [Usage; 3], count: usize) {
        self.add_usage(ended.since(between, count), Some(between.since(began, count)));
    }

    /// The medians of the resources used by ours and by the baseline.
    fn used(&self, of: impl Fn(Usage) -> f64) -> (Option<f64>, Option<f64>) {
        let ours: Vec<f64> = self.usage.iter().map(|(ours, _)| of(*ours)).collect();
        let baseline: Vec<f64> = self.usage.iter().filter_map(|(_, baseline)| baseline.map(&of)).collect();
        (median(&ours), median(&baseline))
    }

    fn used_text(&self, of: impl Fn(Usage) -> f64) -> String {
        match self.used(of) {
            (Some(0.0), _) => "-".to_owned(),
            (Some(ours), Some(baseline)) => format!("{} ({})", number(ours), number(baseline)),
            (Some(ours), None) => number(ours),
            _ => "-".to_owned(),
        }
    }

    /// How far the median reaches the target: 1 if it just meets it, 2 if it is twice as good. `None` as for
    /// [`Finding::is_met`].
    pub fn reached(&self) -> Option<f64> {
        let ratio = median(&self.ratios());
        match self.aim {
            Aim::RatioAtLeast(aim) => Some(ratio? / aim),
            Aim::RatioAtMost(aim) => Some(aim / ratio?),
            Aim::AtMost(aim) => Some(aim / median(&self.ours)?.max(aim / 100.0)),
            Aim::None => None,
        }
    }

    /// Ours divided by the baseline, for each round.
    fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.baseline).map(|(ours, baseline)| ours / baseline).collect()
    }

    /// Whether the median meets the target; `None` if there is no target or no value.
    pub fn is_met(&self) -> Option<bool> {
        let ratio = median(&self.ratios());
        match self.aim {
            Aim::RatioAtLeast(aim) => Some(ratio? >= aim),
            Aim::RatioAtMost(aim) => Some(ratio? <= aim),
            Aim::AtMost(aim) => Some(median(&self.ours)? <= aim),
            Aim::None => None,
        }
    }

    /// The row in the table.
    pub fn line(&self) -> String {
        let Self { row, what, unit, ours, baseline, .. } = self;
        let ratios = self.ratios();
        let ratio = match (median(&ratios), bounds(&ratios)) {
            (Some(ratio), Some((least, most))) => format!("{ratio:.2} ({least:.2}–{most:.2})"),
            _ => "-".to_owned(),
        };
        let aim = match self.aim {
            Aim::RatioAtLeast(aim) => format!("ratio ≥ {aim}"),
            Aim::RatioAtMost(aim) => format!("ratio ≤ {aim}"),
            Aim::AtMost(aim) => format!("≤ {aim} {unit}"),
            Aim::None => "-".to_owned(),
        };
        let met = self.is_met().map_or("-", |met| if met { "yes" } else { "no" });
        let (cpu, peak) = (self.used_text(|usage| usage.cpu_s), self.used_text(|usage| usage.peak_mb));
        let (ours, baseline) = (spread(ours), spread(baseline));
        format!("| {row} | {what} | {unit} | {ours} | {baseline} | {ratio} | {aim} | {met} | {cpu} | {peak} |")
    }

    /// The finding as JSON.
    pub fn to_json(&self) -> Value {
        let Self { row, what, unit, ours, baseline, .. } = self;
        let aim = match self.aim {
            Aim::RatioAtLeast(aim) => json!({ "ratio_at_least": aim }),
            Aim::RatioAtMost(aim) => json!({ "ratio_at_most": aim }),
            Aim::AtMost(aim) => json!({ "at_most": aim }),
            Aim::None => Value::Null,
        };
        json!({
            "row": row, "what": what, "unit": unit, "ours": ours, "baseline": baseline,
            "ratio": median(&self.ratios()), "aim": aim, "met": self.is_met(),
            "cpu_s_per_10k": self.used(|usage| usage.cpu_s), "peak_mb": self.used(|usage| usage.peak_mb),
        })
    }
}

/// The middle value; the upper one of two.
fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| quantile(values, 0.5))
}

/// The quantile at this share; 0 if there are no values.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    // An index among a few thousand values: a double represents it exactly.
    sorted.get((sorted.len() as f64 * share) as usize).or(sorted.last()).copied().unwrap_or_default()
}

fn bounds(values: &[f64]) -> Option<(f64, f64)> {
    Some((values.iter().copied().reduce(f64::min)?, values.iter().copied().reduce(f64::max)?))
}

fn spread(values: &[f64]) -> String {
    match (median(values), bounds(values)) {
        (Some(_), Some((least, most))) if least == most => number(least),
        (Some(middle), Some((least, most))) => format!("{} ({}–{})", number(middle), number(least), number(most)),
        _ => "-".to_owned(),
    }
}

/// A number with a suitable number of decimals.
fn number(value: f64) -> String {
    match value {
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(aim: Aim) -> Finding {
        let (ours, baseline) = (vec![90.0, 110.0, 100.0], vec![100.0, 100.0, 125.0]);
        Finding { ours, baseline, ..Finding::new("consume", "batches", "messages/s", aim) }
    }

    #[test]
    fn an_aim_is_met_by_the_median_ratio() {
        assert_eq!(finding(Aim::RatioAtLeast(0.95)).is_met(), Some(false));
        assert_eq!(finding(Aim::RatioAtMost(0.95)).is_met(), Some(true));
        assert_eq!(finding(Aim::None).is_met(), None);
    }

    #[test]
    fn how_far_an_aim_is_reached_is_the_same_for_what_shall_be_small_and_what_shall_be_large() {
        assert_eq!(finding(Aim::RatioAtLeast(0.45)).reached(), Some(2.0));
        assert_eq!(finding(Aim::RatioAtMost(1.8)).reached(), Some(2.0));
        assert_eq!(finding(Aim::AtMost(50.0)).reached(), Some(0.5));
        assert_eq!(finding(Aim::None).reached(), None);
    }
}
