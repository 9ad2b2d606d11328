//! `cargo kith logs` with logs that were written by hand.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::Stdio,
    time::{Duration, SystemTime},
};

use crate::copy::Copy;

struct Logs(Copy);

/// A line of a log, so many seconds ago.
fn line(seconds_ago: u64, level: &str, message: &str, id: &str, trace: &str) -> String {
    let time = humantime::format_rfc3339_micros(SystemTime::now() - Duration::from_secs(seconds_ago));
    format!(
        r#"{{"timestamp":"{time}","level":"{level}","message":"{message}","span":{{"message.id":"{id}","trace_id":"{trace}"}}}}"#
    ) + "\n"
}

impl Logs {
    fn new() -> Self {
        let logs = Self(Copy::new());
        fs::create_dir_all(logs.path("x").parent().unwrap()).unwrap();
        logs.write("network.log.1", &line(900, "INFO", "before the restart", "m0", "t0"));
        logs.write("network.log", &(line(60, "WARN", "second", "m1", "t1") + &line(20, "INFO", "fourth", "m2", "t2")));
        logs.write("contacts.log", &(line(90, "INFO", "first", "m3", "t1") + &line(40, "ERROR", "third", "m3", "t3")));
        logs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(".run/log").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// The messages printed, in this order.
    fn shown(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.0.command(&[&["logs", "--json"], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_last_line_without_its_end_is_printed_and_any_time_is_accepted() {
    let logs = Logs::new();
    logs.write("search.log", line(1, "ERROR", "the last words", "m5", "t5").trim_end());

    assert_eq!(logs.shown(&["search"]), ["the last words"]);
    assert_eq!(logs.shown(&["search", "--since", "99999999999d"]), ["the last words"]);
}

#[test]
fn lines_of_all_services_are_in_the_order_of_their_times() {
    let logs = Logs::new();

    assert_eq!(logs.shown(&[]), ["before the restart", "first", "second", "third", "fourth"]);
    assert_eq!(logs.shown(&["net*"]), ["before the restart", "second", "fourth"]);
    assert_eq!(logs.shown(&["--since", "1m 10s"]), ["second", "third", "fourth"]);
    assert_eq!(logs.shown(&["--level", "warn"]), ["second", "third"]);
}

#[test]
fn one_message_is_shown_with_its_trace() {
    let logs = Logs::new();

    assert_eq!(logs.shown(&["--trace", "t1"]), ["first", "second"]);
    assert_eq!(logs.shown(&["--event", "m1"]), ["first", "second"], "the other line has the same trace");
    assert_eq!(logs.shown(&["--event", "m3"]), ["first", "second", "third"]);
    assert_eq!(logs.shown(&["--event", "m4"]), [""; 0]);
}

#[test]
fn json_lines_are_printed_as_they_were_written() {
    let logs = Logs::new();
    let output = logs.0.command(&["logs", "contacts", "--json"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), fs::read_to_string(logs.path("contacts.log")).unwrap());
}

#[test]
fn a_name_that_no_service_has_and_a_wrong_time_are_refused() {
    let logs = Logs::new();
    for (arguments, text) in
        [(["logs", "nets"], "no service is named nets"), (["logs", "--since=5q"], "unknown time unit")]
    {
        let output = logs.0.command(&arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(text), "{error}");
    }
}

#[test]
fn new_lines_are_printed_as_they_come_and_half_ones_once_they_are_whole() {
    let logs = Logs::new();
    let mut following = logs.0.command(&["logs", "-f", "contacts"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().contains("first") && lines.next().unwrap().contains("third"));

    let fifth = line(0, "INFO", "fifth", "m5", "t5");
    let (half, rest) = fifth.split_at(40);
    logs.write("contacts.log", half);
    logs.write("contacts.log", rest);

    assert!(lines.next().unwrap().contains("fifth"));
    following.kill().unwrap();
    following.wait().unwrap();
}
