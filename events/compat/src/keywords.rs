//! The rules of each type of value: the reader's constraints that the writer does not guarantee.

use serde_json::Value;

use crate::{
    differ::{Differ, Finding, Suspicion},
    rule::Rule,
    scalars::{around, numbers, texts},
    shape::Shape,
    values::{Kind, stricter},
};

/// Up to this value, a float represents every whole number exactly.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

impl<'a> Differ<'a> {
    /// Whether a shape of the reader accepts everything of a shape of the writer.
    pub(crate) fn shapes(&self, written: &Shape<'a>, read: &Shape<'a>, kind: Kind, closed: bool) -> Finding {
        let mut finding = self.opaque(written, read);
        if let Some(values) = &read.values {
            let listed = values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", ");
            let message = format!("only {listed} is read, but more can be written");
            finding.add(Suspicion::new(Rule::Value, message, self.sampler.of_shape(written, closed)).into());
            return finding;
        }
        match kind {
            Kind::Null | Kind::Boolean => {}
            Kind::Whole | Kind::Fraction => finding.add(numeric(written, read, kind)),
            Kind::Text => finding.add(textual(written, read)),
            Kind::List => finding.add(self.lists(written, read)),
            Kind::Object => finding.add(self.objects(written, read, closed)),
        }
        finding
    }

    /// Compares conditions: one is satisfied if the writer has the same one, otherwise it is undecided here.
    fn opaque(&self, written: &Shape<'a>, read: &Shape<'a>) -> Finding {
        let mut finding = Finding::default();
        for (keyword, value) in &read.opaque {
            let same = written.opaque.iter().any(|(known, other)| known == keyword && other == value);
            let alone = *keyword == "not" || *keyword == "propertyNames";
            if !(same && alone) || value.to_string().contains("\"$ref\"") {
                finding.add(Finding::undecided(format!("`{keyword}` is not compared rule by rule")));
            }
        }
        finding
    }

    fn lists(&self, written: &Shape<'a>, read: &Shape<'a>) -> Finding {
        let most = written.most("maxItems").map_or(usize::MAX, |most| most as usize);
        let mut finding = Finding::default();
        let list = |length: u64| self.sampler.list(written, length as usize, None, 0).into_iter().collect::<Vec<_>>();
        if read.least("minItems") > written.least("minItems") {
            let message = format!("{} items are required, but fewer can be written", read.least("minItems"));
            finding.add(Suspicion::new(Rule::MinItems, message, list(written.least("minItems"))).into());
        }
        if let Some(limit) = read.most("maxItems").filter(|limit| most as u64 > *limit) {
            let message = format!("at most {limit} items are read, but more can be written");
            let length = limit.saturating_add(1).max(written.least("minItems"));
            finding.add(Suspicion::new(Rule::MaxItems, message, list(length)).into());
        }
        if read.says("uniqueItems") && !written.says("uniqueItems") && most > 1 {
            let tries = list(written.least("minItems").max(2));
            finding.add(
                Suspicion::new(Rule::UniqueItems, "items must be unique, but an item can be written twice", tries)
                    .into(),
            );
        }
        for place in 0..=written.places().max(read.places()) {
            if place < most {
                finding.add(self.items(written, read, place));
            }
        }
        finding
    }

    fn items(&self, written: &Shape<'a>, read: &Shape<'a>, place: usize) -> Finding {
        let mut finding = self.nodes(&written.item(place), &read.item(place), false);
        for suspicion in &mut finding.suspicions {
            suspicion.path.insert_str(0, "/*");
            let length = (place + 1).max(written.least("minItems") as usize);
            let tries =
                suspicion.tries.iter().filter_map(|value| self.sampler.list(written, length, Some((place, value)), 0));
            suspicion.tries = tries.collect();
        }
        finding
    }
}

/// Whether every multiple of one number is a multiple of another; false if the quotient is too large to be exact.
fn divides(step: f64, own: f64) -> bool {
    let quotient = own / step;
    quotient.fract() == 0.0 && quotient.abs() < MOST_EXACT
}

fn numeric(written: &Shape<'_>, read: &Shape<'_>, kind: Kind) -> Finding {
    let mut finding = Finding::default();
    let mut tries = numbers(written, kind);
    for lower in [true, false] {
        tries.extend(read.bound(lower).into_iter().flat_map(|(value, _)| around(value)));
    }
    for (lower, rule, word) in [(true, Rule::Minimum, "smaller"), (false, Rule::Maximum, "larger")] {
        let Some(limit) = read.bound(lower) else { continue };
        if !written.bound(lower).is_some_and(|own| stricter(own, limit, lower)) {
            let than = if limit.1 { "or equal numbers" } else { "numbers" };
            let message = format!("the limit is {}, but {word} {than} can be written", limit.0);
            finding.add(Suspicion::new(rule, message, tries.clone()).into());
        }
    }
    let whole = (kind == Kind::Whole).then_some(1.0);
    let steps: Vec<f64> = written.steps().into_iter().chain(whole).collect();
    for step in read.steps() {
        if !steps.iter().any(|own| divides(step, *own)) {
            let message = format!("only multiples of {step} are read, but others can be written");
            finding.add(Suspicion::new(Rule::MultipleOf, message, tries.clone()).into());
        }
    }
    finding
}

fn textual(written: &Shape<'_>, read: &Shape<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut tries = texts(written);
    if read.least("minLength") > written.least("minLength") {
        let message = format!("{} characters are required, but fewer can be written", read.least("minLength"));
        finding.add(Suspicion::new(Rule::MinLength, message, tries.clone()).into());
    }
    let most = written.most("maxLength");
    if let Some(limit) = read.most("maxLength").filter(|limit| most.is_none_or(|own| own > *limit)) {
        tries.extend((limit < 5000).then(|| Value::String("a".repeat(limit as usize + 1))));
        let message = format!("at most {limit} characters are read, but more can be written");
        finding.add(Suspicion::new(Rule::MaxLength, message, tries.clone()).into());
    }
    for (keyword, rule) in [("pattern", Rule::Pattern), ("format", Rule::Format)] {
        for asked in read.texts(keyword).difference(&written.texts(keyword)) {
            let message = format!("only texts of the {keyword} {asked} are read, but others can be written");
            finding.add(Suspicion::new(rule, message, tries.clone()).into());
        }
    }
    finding
}
