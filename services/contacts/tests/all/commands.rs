//! The program's commands.

use std::{
    io,
    process::{Command, Output, Stdio},
};

/// Every kind of mistake: a section, a key, a range, and an address.
const WRONG: [(&str, &str); 6] = [
    ("CONTACTS__BOGUS__X", "8"),
    ("CONTACTS__BROKER__PREFECH", "5"),
    ("CONTACTS__BROKER__BATCH", "0"),
    ("CONTACTS__RETRY__JITTER", "5"),
    ("CONTACTS__STORE__URL", "foo"),
    ("CONTACTS__LOG__FILTER", "nonsense=loud"),
];

fn contacts(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contacts"));
    command.args(arguments).env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_command_checks_what_the_start_checks_and_reports_everything_at_once() {
    let ask = |arguments: &[&str]| -> Output { contacts(arguments).envs(WRONG).output().unwrap() };
    let run = ask(&["run"]);
    let expected = text(&run.stderr);

    assert_eq!(run.status.code(), Some(78), "{run:?}");
    for mistake in [
        "[bogus] is not a section of this service; the sections are admin, broker,",
        "[broker] unknown key `prefech`, did you mean `prefetch`?",
        "[broker] batch: must be 1 or more, got 0 (set CONTACTS__BROKER__BATCH, ",
        "[retry] jitter: must be a fraction from 0 to 1, got 5 (set CONTACTS__RETRY__JITTER, ",
        "[store] url: write it as postgres://user@host:5432/database",
        "(set CONTACTS__STORE__URL, ",
        "[log] filter: `nonsense=loud` is not a log filter",
    ] {
        assert!(expected.contains(mistake), "{mistake} is missing from:\n{expected}");
    }
    for command in [&["config"][..], &["jobs", "list"], &["parked", "list"], &["sequences", "recover"]] {
        let asked = ask(command);
        assert_eq!((asked.status.code(), text(&asked.stderr)), (Some(78), expected.clone()), "{command:?}");
    }
}

#[test]
fn a_command_whose_output_is_cut_ends_without_a_word() {
    let whole = contacts(&["config"]).output().unwrap();
    assert!(whole.status.success() && text(&whole.stdout).lines().count() > 10, "{whole:?}");

    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let cut = contacts(&["config"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();

    assert_eq!((cut.status.code(), text(&cut.stderr)), (Some(141), String::new()));
}

#[test]
fn the_build_is_displayed() {
    let shown = text(&contacts(&["--version"]).output().unwrap().stdout);

    assert!(shown.starts_with("contacts ") && shown.trim().len() > "contacts ".len(), "{shown}");
}
