//! Combines the two engines: a counterexample decides; else a proof; else the result is undecided.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    Break, Direction, Verdict,
    closed::closed,
    differ::{Differ, Finding, Suspicion},
    document::Document,
    exact::{Rest, rest},
    rule::Rule,
    sample::Sampler,
    shape::root,
    witness::Court,
};

/// Whether everything that is written under one schema is read by another.
pub(crate) fn judged(
    direction: Direction,
    writer: &Result<Document, String>,
    reader: &Result<Document, String>,
) -> (Verdict, Vec<Break>) {
    match (writer, reader) {
        (Ok(writer), Ok(reader)) => decided(direction, writer, reader),
        (Err(reason), _) | (_, Err(reason)) => undecided(direction, format!("a schema cannot be compared: {reason}")),
    }
}

fn decided(direction: Direction, writer: &Document, reader: &Document) -> (Verdict, Vec<Break>) {
    // Whatever is written under a schema is valid for the same schema.
    if writer.defs == reader.defs {
        return (Verdict::Compatible, vec![]);
    }
    let (written, read) = (closed(writer), reader.to_schema());
    let Some(court) = Court::new(&written, &read) else {
        return undecided(direction, "the validator does not support a schema".to_owned());
    };
    let case = Case { direction, court };
    let finding = Differ::new(writer, reader).compare();
    let mut breaks = case.shown(&finding);
    if !breaks.is_empty() {
        return (Verdict::Incompatible, breaks);
    }
    let rest = rest(&written, &read);
    breaks.extend(case.found(&Sampler { document: writer, writes: true }));
    if let Rest::Something(schema) | Rest::Unknown(_, Some(schema)) = &rest
        && let (true, Ok(left)) = (breaks.is_empty(), Document::read(schema))
    {
        breaks.extend(case.found(&Sampler { document: &left, writes: false }));
    }
    if !breaks.is_empty() {
        return (Verdict::Incompatible, breaks);
    }
    match (finding.is_safe(), rest) {
        (_, Rest::Nothing) | (true, Rest::Unknown(..)) => (Verdict::Compatible, vec![]),
        (true, Rest::Something(_)) => {
            undecided(direction, "the two engines disagree, and no document proves either".to_owned())
        }
        (false, rest) => undecided(direction, reasons(&finding, &rest)),
    }
}

fn undecided(direction: Direction, reason: String) -> (Verdict, Vec<Break>) {
    let shown = Break {
        direction,
        path: String::new(),
        rule: "undecided",
        message: reason.clone(),
        hits: direction.hits(),
        witness: None,
    };
    (Verdict::Unknown(reason), vec![shown])
}

fn reasons(finding: &Finding, rest: &Rest) -> String {
    let mut all: BTreeSet<String> = finding.undecided.iter().cloned().collect();
    all.extend(finding.suspicions.iter().map(|suspicion| {
        format!("at {}: {}, but no document was found that demonstrates it", suspicion.path, suspicion.message)
    }));
    if let Rest::Unknown(reason, _) = rest {
        all.insert(reason.clone());
    }
    all.into_iter().collect::<Vec<_>>().join("; ")
}

struct Case {
    direction: Direction,
    court: Court,
}

impl Case {
    fn broken(&self, path: &str, rule: Rule, message: &str, witness: Value) -> Break {
        Break {
            direction: self.direction,
            path: path.to_owned(),
            rule: rule.name(self.direction),
            message: message.to_owned(),
            hits: self.direction.hits(),
            witness: Some(witness),
        }
    }

    /// Returns the suspicions that a document confirms.
    fn shown(&self, finding: &Finding) -> Vec<Break> {
        let mut suspicions: Vec<&Suspicion> = finding.suspicions.iter().collect();
        suspicions.sort_by_key(|suspicion| suspicion.path.matches('/').count());
        let mut told: Vec<(&Suspicion, Break)> = vec![];
        for suspicion in suspicions {
            if told.iter().any(|(known, _)| repeats(known, suspicion)) {
                continue;
            }
            let Some(witness) = self.court.shortest(&suspicion.tries) else { continue };
            // One document often demonstrates two rules for one value; the first is more precise.
            let same = |one: &Break| one.witness.as_ref() == Some(&witness);
            if suspicion.rule == Rule::Variant && told.iter().any(|(_, one)| same(one)) {
                continue;
            }
            told.push((suspicion, self.broken(&suspicion.path, suspicion.rule, &suspicion.message, witness)));
        }
        told.into_iter().map(|(_, one)| one).collect()
    }

    /// Returns a break found by trying documents, described in the validator's words.
    fn found(&self, sampler: &Sampler<'_>) -> Option<Break> {
        let witness = self.court.shortest(&sampler.variety(&root(sampler.document)))?;
        let (path, rule, message) = self.court.refusal(&witness)?;
        Some(self.broken(&path, rule, &message, witness))
    }
}

/// Whether a suspicion repeats a known one: about the same field, or about the same schemas further down in a
/// recursive schema.
fn repeats(known: &Suspicion, again: &Suspicion) -> bool {
    if known.rule != again.rule {
        return false;
    }
    let mut steps = again.path.split('/');
    let further = known.path.split('/').all(|step| steps.any(|other| other == step));
    known.path == again.path || (known.origin == again.origin && further)
}
