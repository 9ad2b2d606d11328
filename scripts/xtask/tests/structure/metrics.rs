//! Checks that docs/metrics.md has every metric with its type and labels, and docs/operations.md every alert.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{pages::prose, root, services, sources};

/// A metric's type and labels.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// The metrics that a source file records.
fn recorded(source: &str) -> BTreeMap<String, Metric> {
    let mut found = BTreeMap::new();
    for kind in ["counter", "gauge", "histogram"] {
        for call in source.split(&format!("{kind}!(")).skip(1) {
            let arguments = arguments(call);
            let Some((name, _)) = arguments.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) else {
                continue;
            };
            let metric = Metric { kind: kind.to_owned(), labels: labels(arguments) };
            found.insert(name.to_owned(), metric);
        }
    }
    found
}

/// The text up to the parenthesis that closes a macro call.
fn arguments(call: &str) -> &str {
    let mut depth = 1;
    for (at, sign) in call.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &call[..at];
        }
    }
    call
}

/// The labels in `"name", "label" => value`.
fn labels(arguments: &str) -> BTreeSet<String> {
    let mut parts: Vec<&str> = arguments.split("=>").collect();
    // What follows the last arrow is a value.
    parts.pop();
    let label = |part: &str| part.trim_end().trim_end_matches('"').rsplit('"').next().map(str::to_owned);
    parts.into_iter().filter_map(label).collect()
}

/// The metrics in the tables of the page: `| name | type | labels | unit | meaning |`.
fn described(page: &str) -> BTreeMap<String, Metric> {
    let rows = prose(page).into_iter().filter_map(|(_, line)| line.strip_prefix("| `"));
    let metric = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, kind, labels, ..] = cells[..] else { return None };
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        Some((name.trim_end_matches('`').to_owned(), Metric { kind: kind.to_owned(), labels }))
    };
    rows.filter_map(metric).collect()
}

#[test]
fn every_metric_is_described_with_its_type_and_labels() {
    let mut folders: Vec<_> = services();
    folders.push(root().join("skeleton"));
    let files = folders.into_iter().flat_map(|folder| sources(&folder.join("src")));
    let recorded: BTreeMap<String, Metric> =
        files.flat_map(|path| recorded(&fs::read_to_string(path).unwrap())).collect();
    let described = described(&fs::read_to_string(root().join("docs/metrics.md")).unwrap());

    assert!(recorded.len() > 40, "found only {} metrics: this test searches in the wrong way", recorded.len());
    let wrong: Vec<_> = recorded.iter().filter(|(name, metric)| described.get(*name) != Some(*metric)).collect();
    assert!(wrong.is_empty(), "missing in docs/metrics.md, or with another type or other labels: {wrong:#?}");
    let gone: Vec<_> = described.keys().filter(|name| !recorded.contains_key(*name)).collect();
    assert!(gone.is_empty(), "docs/metrics.md describes metrics that do not exist: {gone:?}");
}

#[test]
fn every_alert_is_in_the_table_of_the_operations_page() {
    let alerts = fs::read_to_string(root().join("deploy/monitoring/alerts.yml")).unwrap();
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let names: Vec<&str> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();

    assert!(!names.is_empty());
    let missing: Vec<_> = names.into_iter().filter(|name| !page.contains(&format!("\n| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/operations.md does not say what to do about {missing:?}");
}

#[test]
fn metrics_are_found_with_their_labels_in_code_and_on_a_page() {
    let code = "gauge!(\"a_b\", \"queue\" => self.name(), \"on\" => f(\"x\", 1)).set(1.0); metrics::counter!(\n\"c_d\").increment(1);";
    let page = "| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n| `a_b` | gauge | `queue`, `on` | s | x |\n| `c_d` | counter | | s | x |\n";

    let found = recorded(code);

    assert_eq!(found.keys().collect::<Vec<_>>(), ["a_b", "c_d"]);
    assert_eq!(found["a_b"].labels.iter().collect::<Vec<_>>(), ["on", "queue"]);
    assert_eq!(found, described(page));
}
