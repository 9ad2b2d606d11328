//! All alerts refer to existing metrics.

use std::{fs, path::Path};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const ALERTS: &str = include_str!("../../../deploy/monitoring/alerts.yml");

/// The concatenated source files of a folder.
fn source_of(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { source_of(&path) } else { fs::read_to_string(&path).unwrap() }).collect()
}

#[test]
fn every_alert_stands_on_metrics_that_the_skeleton_has() {
    let source = source_of(Path::new(SOURCE));
    let expressions = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let words =
        expressions.flat_map(|text| text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'));
    let metrics: Vec<&str> = words.filter(|word| word.contains('_')).collect();

    assert!(metrics.len() >= 3, "{metrics:?}");
    for metric in metrics {
        assert!(source.contains(&format!("\"{metric}\"")), "there is no metric {metric}");
    }
}
