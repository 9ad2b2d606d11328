//! The rules of objects: the reader's constraints on fields that the writer does not guarantee.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    differ::{Differ, Finding, Suspicion},
    pointer::token,
    rule::Rule,
    scalars::matching,
    shape::{Node, Shape},
    values::fits_pattern,
};

impl<'a> Differ<'a> {
    /// Whether the reader accepts all objects of the writer.
    pub(crate) fn objects(&self, written: &Shape<'a>, read: &Shape<'a>, closed: bool) -> Finding {
        let mut finding = self.required(written, read, closed);
        finding.add(self.counts(written, read, closed));
        finding.add(self.dependents(written, read, closed));
        let known = written.names("properties").into_iter().chain(written.required());
        for name in known.chain(read.names("properties")).collect::<BTreeSet<_>>() {
            finding.add(self.field(written, read, name, closed));
        }
        finding.add(self.unnamed(written, read, closed));
        finding
    }

    fn required(&self, written: &Shape<'a>, read: &Shape<'a>, closed: bool) -> Finding {
        let mut finding = Finding::default();
        let has = written.required();
        for name in read.required().into_iter().filter(|name| !has.contains(name)) {
            let message = format!("the field {name} is required, but need not be written");
            let tries = self.sampler.object(written, closed, &[], 0).into_iter().collect();
            finding.add(at(name, Suspicion::new(Rule::Required, message, tries)).into());
        }
        finding
    }

    fn counts(&self, written: &Shape<'a>, read: &Shape<'a>, closed: bool) -> Finding {
        let mut finding = Finding::default();
        let least = written.least("minProperties").max(written.required().len() as u64);
        let named = closed.then(|| written.names("properties").len().max(written.required().len()) as u64);
        let most = written.most("maxProperties").into_iter().chain(named).min().unwrap_or(u64::MAX);
        if read.least("minProperties") > least {
            let message = format!("{} fields are required, but fewer can be written", read.least("minProperties"));
            let tries = self.sampler.object(written, closed, &[], 0).into_iter().collect();
            finding.add(Suspicion::new(Rule::MinProperties, message, tries).into());
        }
        if let Some(limit) = read.most("maxProperties").filter(|limit| most > *limit) {
            let message = format!("at most {limit} fields are read, but more can be written");
            let tries = self.sampler.with_fields(written, closed, limit + 1);
            finding.add(Suspicion::new(Rule::MaxProperties, message, tries).into());
        }
        finding
    }

    fn dependents(&self, written: &Shape<'a>, read: &Shape<'a>, closed: bool) -> Finding {
        let mut finding = Finding::default();
        for name in read.names("dependentRequired") {
            let Ok(node) = written.field(name, closed) else { continue };
            if node.contains(&&Value::Bool(false)) {
                continue;
            }
            let kept = written.dependents(name);
            let has = written.required();
            for other in read.dependents(name).iter().filter(|other| !has.contains(*other) && !kept.contains(*other)) {
                let message = format!("if {name} is written, {other} is required, but need not be written");
                let value = self.sampler.smallest(&node, 1);
                let tries = value.and_then(|value| self.sampler.object(written, closed, &[(name, &value)], 0));
                let suspicion = Suspicion::new(Rule::DependentRequired, message, tries.into_iter().collect());
                finding.add(at(other, suspicion).into());
            }
        }
        finding
    }

    fn field(&self, written: &Shape<'a>, read: &Shape<'a>, name: &str, closed: bool) -> Finding {
        let (own, other) = match (written.field(name, closed), read.field(name, false)) {
            (Ok(own), Ok(other)) => (own, other),
            (Err(reason), _) | (_, Err(reason)) => return Finding::undecided(reason),
        };
        self.wrapped(written, self.nodes(&own, &other, false), name, &token(name), closed)
    }

    /// Compares the fields that the writer names by a pattern, or not at all.
    ///
    /// A name may match several patterns. It is enough that each pattern of the writer is accepted by the same pattern
    /// of the reader, and by every pattern that only the reader has.
    fn unnamed(&self, written: &Shape<'a>, read: &Shape<'a>, closed: bool) -> Finding {
        let mut finding = Finding::default();
        let rules = written.names("patternProperties");
        let mut sources: Vec<(Option<&str>, Node<'a>)> = vec![];
        sources.extend(rules.iter().map(|rule| (Some(*rule), written.by_rule(rule))));
        let rest = written.other_fields(closed);
        if !rest.contains(&&Value::Bool(false)) {
            sources.push((None, rest));
        }
        for (rule, node) in &sources {
            for part in &read.parts {
                let own = |name: &str| part.get("patternProperties").and_then(|map| map.get(name));
                let like = rule.and_then(own).or_else(|| part.get("additionalProperties"));
                let name = rule.map_or_else(|| unknown_name(written, read), matching);
                finding.add(self.by_name(written, node, like, name, closed));
                let alone = part.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
                for (other, schema) in alone.filter(|(other, _)| !rules.contains(other.as_str())) {
                    finding.add(self.by_name(written, node, Some(schema), matching(other), closed));
                }
            }
        }
        finding
    }

    fn by_name(
        &self,
        written: &Shape<'a>,
        node: &Node<'a>,
        read: Option<&'a Value>,
        name: Option<String>,
        closed: bool,
    ) -> Finding {
        let finding = self.nodes(node, &read.into_iter().collect(), false);
        self.wrapped(written, finding, &name.unwrap_or_default(), "*", closed)
    }

    fn wrapped(&self, written: &Shape<'a>, mut finding: Finding, name: &str, step: &str, closed: bool) -> Finding {
        for suspicion in &mut finding.suspicions {
            suspicion.path.insert_str(0, &format!("/{step}"));
            let tries =
                suspicion.tries.iter().filter_map(|value| self.sampler.object(written, closed, &[(name, value)], 0));
            suspicion.tries = tries.collect();
        }
        finding
    }
}

/// Returns a field name that neither side knows.
fn unknown_name(written: &Shape<'_>, read: &Shape<'_>) -> Option<String> {
    let knows = |shape: &Shape<'_>, name: &str| {
        let fits = |pattern: &&str| fits_pattern(pattern, name) != Some(false);
        shape.names("properties").contains(name) || shape.names("patternProperties").iter().any(fits)
    };
    let names = (0..50).map(|index| format!("k{index}"));
    names.into_iter().find(|name| !knows(written, name) && !knows(read, name))
}

fn at(name: &str, mut suspicion: Suspicion) -> Suspicion {
    suspicion.path = format!("/{}", token(name));
    suspicion
}
