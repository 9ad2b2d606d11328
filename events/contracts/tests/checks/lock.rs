//! The lock of released files.

use contracts::{Lock, Release, release};

use crate::repository::{ADDED, Repository, note, rules};

const LOCK: &str = "events/released.lock";

#[test]
fn a_release_adds_every_new_file_once() {
    let repository = Repository::new();

    let Release::Done(files) = repository.release() else { panic!("{}", repository.release()) };

    assert_eq!(files.len(), 4);
    let text = repository.read(LOCK);
    assert!(text.starts_with("# The released schema files"), "{text}");
    let entries: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(entries[0].split_once("  ").unwrap().1, ADDED);
    assert!(entries.is_sorted_by_key(|line| line.split_once("  ").unwrap().1));
    assert_eq!(repository.release(), Release::Done(vec![]));
    assert_eq!(repository.read(LOCK), text);
}

#[test]
fn a_dry_run_only_says_what_it_would_release() {
    let repository = Repository::released();
    let before = repository.read(LOCK);
    repository.schema("contacts/contact-removed.v1.json", note(serde_json::json!({"kind": "event"}), &["contact_id"]));

    let tried = release(repository.path(), true).unwrap();

    assert_eq!(tried.to_string(), "would release contacts/contact-removed.v1.json");
    assert_eq!(repository.read(LOCK), before);
    assert_eq!(repository.release().to_string(), "released contacts/contact-removed.v1.json");
}

#[test]
fn nothing_is_released_while_something_is_to_be_mended() {
    let repository = Repository::new();
    repository.schema("nobody/happened.v1.json", note(serde_json::json!({"kind": "event"}), &["id"]));

    let refused = repository.release();

    assert!(!refused.ok() && refused.to_string().ends_with("nothing was released"), "{refused}");
    assert!(Lock::read(repository.path()).unwrap().is_none());
}

#[test]
fn without_a_lock_the_check_fails() {
    let repository = Repository::released();
    assert_eq!(rules(&repository.check()), [""; 0]);

    repository.remove(LOCK);

    assert_eq!(rules(&repository.check()), ["lock-missing"]);
}

#[test]
fn a_line_that_is_not_understood_is_named() {
    let digest = "0".repeat(64);
    let lock = Lock::parse(&format!("# comment\n\n{digest}  contacts/a.v1.json\n")).unwrap();
    assert_eq!(lock.released().collect::<Vec<_>>(), [("contacts/a.v1.json", &*digest)]);

    let short = Lock::parse("# comment\n123  contacts/a.v1.json\n").unwrap_err();
    assert!(short.starts_with("line 2 is not"), "{short}");
    let twice = Lock::parse(&format!("{digest}  a/b.json\n{digest}  a/b.json\n")).unwrap_err();
    assert!(twice.starts_with("line 2: a/b.json is listed twice"), "{twice}");
}

#[test]
fn a_released_file_keeps_its_first_digest() {
    let mut lock = Lock::default();
    lock.add("contacts/a.v1.json".to_owned(), "one");
    let before = lock.clone();

    lock.add("contacts/a.v1.json".to_owned(), "another");

    assert_eq!(lock, before);
}

#[test]
fn its_digests_are_those_of_sha256sum() {
    let repository = Repository::released();
    let output = std::process::Command::new("sha256sum")
        .args(["--check", "--quiet", "../released.lock"])
        .current_dir(repository.path().join("events/schemas"))
        .output()
        .unwrap();

    assert!(output.status.success(), "{output:?}");
}
