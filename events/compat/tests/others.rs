//! The case tables of other checkers: where we agree, and the reasons where we do not.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/test_data.rs"]
mod test_data;

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use schema_compat::{Verdict, compare};
use serde_json::Value;

/// The reason for a result that differs from another checker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// Here, a writer names its fields, so optional fields can be added or removed; there, objects may have any field.
    ClosedWriter,
    /// The two schemas mean the same, or nothing can be written at all, although their texts differ.
    SameMeaning,
    /// Encoding and media type of a text are annotations for the reader, not constraints.
    Annotation,
    /// A document demonstrates that something they accept is not read.
    TheyMissIt,
}

/// The cases in which we differ, by table and number.
const OTHERWISE: &[(&str, usize, Reason)] = &[
    ("confluent", 30, Reason::ClosedWriter),
    ("confluent", 46, Reason::ClosedWriter),
    ("confluent", 53, Reason::SameMeaning),
    ("confluent", 57, Reason::TheyMissIt),
    ("apicurio", 18, Reason::ClosedWriter),
    ("apicurio", 19, Reason::ClosedWriter),
    ("apicurio", 24, Reason::ClosedWriter),
    ("apicurio", 27, Reason::ClosedWriter),
    ("apicurio", 48, Reason::SameMeaning),
    ("apicurio", 50, Reason::Annotation),
    ("apicurio", 52, Reason::Annotation),
    ("apicurio", 54, Reason::SameMeaning),
    ("apicurio", 62, Reason::SameMeaning),
    ("apicurio", 68, Reason::ClosedWriter),
];

fn table(name: &str) -> Option<Value> {
    let text = test_data::read(&format!("contracts/schema-compat/{name}"))?;
    Some(serde_json::from_str(&text).unwrap())
}

/// One case: its title, its two schemas, and the other checker's result in each direction.
struct Case {
    title: String,
    old: Value,
    new: Value,
    backward: bool,
    forward: Option<bool>,
}

fn compare_with(table: &str, cases: Vec<Case>) {
    let mut changed = vec![];
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    let (total, mut same) = (cases.len(), 0);
    for (number, case) in cases.into_iter().enumerate() {
        let told = compare(&case.old, &case.new);
        let ours = (told.backward.is_compatible(), case.forward.map(|_| told.forward.is_compatible()));
        let agrees = ours == (case.backward, case.forward);
        same += usize::from(agrees);
        let known = OTHERWISE.iter().find(|(known, at, _)| (*known, *at) == (table, number)).map(|known| known.2);
        let word = match (agrees, known) {
            (true, _) => "same".to_owned(),
            (false, Some(reason)) => format!("otherwise ({reason:?})"),
            (false, None) => "OTHERWISE".to_owned(),
        };
        println!("{table} {number:3} {word}: {} ours {ours:?}", case.title);
        known.into_iter().for_each(|reason| *reasons.entry(reason).or_default() += 1);
        if agrees == known.is_some() {
            let why = |verdict: &Verdict| if let Verdict::Unknown(why) = verdict { why.clone() } else { String::new() };
            let breaks: Vec<_> =
                told.breaks.iter().map(|one| format!("{:?} {} {:?}", one.direction, one.rule, one.witness)).collect();
            changed.push(format!(
                "{number} {}: ours {ours:?}, theirs {:?}; {} {} {breaks:?}",
                case.title,
                (case.backward, case.forward),
                why(&told.backward),
                why(&told.forward)
            ));
        }
    }
    tell(&format!("{table}: {same} of {total} the same; otherwise: {reasons:?}"));
    assert!(changed.is_empty(), "{} cases changed their side:\n{}", changed.len(), changed.join("\n"));
}

/// Also shown if the test passes: `eprintln!` is only shown if it fails.
fn tell(text: &str) {
    io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// This checker asks whether the new schema reads what the old one wrote: our backward.
fn of_a_list(table: &Value) -> Vec<Case> {
    let case = |case: &Value| Case {
        title: case["description"].as_str().unwrap().to_owned(),
        old: case["original_schema"].clone(),
        new: case["update_schema"].clone(),
        backward: case["compatible"] == true,
        forward: None,
    };
    table.as_array().unwrap().iter().map(case).collect()
}

/// This one names the direction: `backward` is ours and means only that, `both` is full, `none` is neither.
fn with_directions(table: &Value) -> Vec<Case> {
    let case = |case: &Value| {
        let says = case["compatibility"].as_str().unwrap();
        Case {
            title: case["id"].as_str().unwrap().to_owned(),
            old: case["original"].clone(),
            new: case["updated"].clone(),
            backward: says == "backward" || says == "both",
            forward: Some(says == "both"),
        }
    };
    table["tests"].as_array().unwrap().iter().map(case).collect()
}

#[test]
fn the_first_table() {
    let name = "confluent-diff-schema-examples-2020-12.strict.json";
    if let Some(table) = table(name) {
        compare_with("confluent", of_a_list(&table));
    }
}

#[test]
fn the_table_of_combined_schemas() {
    if let Some(table) = table("confluent-diff-combined-schema-examples.json") {
        compare_with("combined", of_a_list(&table));
    }
}

#[test]
fn the_table_with_directions() {
    if let Some(table) = table("apicurio-json-compatibility.json") {
        compare_with("apicurio", with_directions(&table));
    }
}
