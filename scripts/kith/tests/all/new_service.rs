//! `cargo kith new-service` in a copy of the repository. That what it makes is built, and passes its tests, is shown by
//! the guide `docs/adding-a-service.md`.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::copy::repository;

/// A copy of the repository as it is, committed.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let copy = Self(TempDir::new().unwrap());
        let script = "git -C \"$0\" ls-files -z --cached --others --exclude-standard |
            (cd \"$0\" && xargs -0 ls -d 2>/dev/null) | tar -C \"$0\" -c -T - | tar -x && git init -q && git add --all &&
            git -c user.name=test -c user.email=test@example.org commit -q -m copy";
        let root = repository();
        let run = Command::new("bash").args(["-c", script]).arg(root).current_dir(copy.path()).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        copy
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-kith"));
        command.args(arguments).current_dir(self.path()).env_remove("KITH_RUN");
        command
    }

    fn kith(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the command, which must refuse with a text.
    fn refuses(&self, arguments: &[&str], text: &str) {
        let output = self.kith(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(text), "{arguments:?}: {error}");
    }

    /// What git prints.
    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").args(arguments).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The files that differ from the commit, new ones included.
    fn changed(&self) -> Vec<String> {
        self.git(&["status", "--porcelain", "--untracked-files=all"]).lines().map(|line| line[3..].to_owned()).collect()
    }

    fn has_changed_nothing(&self) {
        assert!(self.changed().is_empty(), "{:?}", self.changed());
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
    }
}

#[test]
fn a_new_service_has_its_files_and_is_in_all_generated_ones() {
    let copy = Repository::new();

    let made = copy.kith(&["new-service", "order_desk", "--thing", "invoice"]);

    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let changed = copy.changed();
    for file in [
        "Cargo.lock",
        "Cargo.toml",
        "deploy/compose/compose.yaml",
        "events/schemas/order_desk/invoice-added.v1.json",
        "services/accounts/src/domain/parts.rs",
        "services/order_desk/migrations/V1__order_desk.sql",
        "services/order_desk/src/main.rs",
    ] {
        assert!(changed.iter().any(|path| path == file), "{file} is not in {changed:?}");
    }
    assert!(copy.kith(&["check"]).status.success());
    let (mut added, mut sources) = (0, Vec::new());
    for file in changed {
        let text = fs::read_to_string(copy.path().join(&file)).unwrap();
        if file.starts_with("services/order_desk") || file.starts_with("events/schemas/order_desk") {
            added += 1;
            let text = format!("{file}\n{text}").to_lowercase();
            assert!(!text.contains("depot") && !text.contains("parcel"), "{text}");
            assert!(!text.contains(" a invoice") && !text.contains("_a_invoice"), "{text}");
        }
        if file.starts_with("services/order_desk") && file.ends_with(".rs") {
            sources.push(file);
        }
    }
    assert!(added > 20, "{added} files");
    let locked = ["metadata", "--locked", "--offline", "--format-version=1", "--no-deps"];
    let locked = Command::new("cargo").args(locked).current_dir(copy.path()).output().unwrap();
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    let formatted =
        Command::new("rustfmt").args(["--check", "--edition=2024"]).args(sources).current_dir(copy.path()).output();
    let formatted = formatted.unwrap();
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stdout));
}

#[test]
fn a_dry_run_prints_the_patch_and_changes_nothing() {
    let copy = Repository::new();

    let printed = copy.kith(&["new-service", "billing", "--dry-run"]);

    assert!(printed.status.success(), "{printed:?}");
    copy.has_changed_nothing();
    let patch = copy.path().join(".git/patch");
    fs::write(&patch, printed.stdout).unwrap();
    copy.git(&["apply", "--check", patch.to_str().unwrap()]);
}

#[test]
fn a_repository_may_be_a_folder_of_a_larger_one() {
    let copy = Repository::new();
    let larger = TempDir::new().unwrap();
    let script = "git -C \"$0\" archive --prefix=inner/ HEAD | tar -x && git init -q && git add --all &&
        git -c user.name=test -c user.email=test@example.org commit -q -m larger";
    let run = Command::new("bash").args(["-c", script]).arg(copy.path()).current_dir(larger.path()).output().unwrap();
    assert!(run.status.success(), "{run:?}");

    let inner = larger.path().join("inner");
    let made = copy.command(&["new-service", "billing"]).current_dir(&inner).output().unwrap();

    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(inner.join("services/billing/config/default.toml").exists());
    assert!(!larger.path().join("services").exists());
}

#[test]
fn settings_of_git_and_ignored_names_of_files_make_no_difference() {
    let copy = Repository::new();
    let settings = copy.path().join(".git/settings");
    let ignored = copy.path().join(".git/ignored");
    fs::write(&ignored, "config/\n").unwrap();
    let text = format!(
        "[diff]\nnoprefix = true\ncontext = 0\nexternal = false\n[color]\nui = always\n[core]\nautocrlf = true\nexcludesFile = {}\n",
        ignored.display()
    );
    fs::write(&settings, text).unwrap();

    let made = copy.command(&["new-service", "billing"]).env("GIT_CONFIG_GLOBAL", settings).output().unwrap();

    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(copy.changed().iter().any(|file| file == "services/billing/config/default.toml"));
}

#[test]
fn what_cannot_be_made_is_refused_and_nothing_changes() {
    let copy = Repository::new();
    let long = "a".repeat(31);
    for (name, text) in [
        ("async", "a word of Rust"),
        ("core", "a word of Rust"),
        ("user", "a word of SQL"),
        ("postgres", "the name of a server"),
        ("Billing", "lower-case letters"),
        ("order-desk", "lower-case letters"),
        ("order__desk", "single underscores"),
        ("desk_", "single underscores"),
        ("../billing", "lower-case letters"),
        ("history", "the name of a server"),
        ("public", "the name of a server"),
        ("others", "the name of a server"),
        ("window", "a word of SQL"),
        ("pg_desk", "PostgreSQL reserves"),
        ("target", "git ignores services/target"),
        ("", "lower-case letters"),
        (&long, "at most 30"),
        ("contacts", "services/contacts exists already"),
        ("serde", "a package serde already"),
        ("events", "a package events already"),
    ] {
        copy.refuses(&["new-service", name], text);
    }
    for (thing, text) in [
        ("line_item", "one word"),
        ("type", "a word of Rust"),
        ("overlap", "overlaps is a word of SQL"),
        ("iterator", "Rust has a type"),
        ("parcelbox", "a word of the template"),
        ("owner", "a name in the generated code"),
        ("erased", "a name in the generated code"),
        ("result", "Rust has a type"),
        ("uuid", "a name in the generated code"),
    ] {
        copy.refuses(&["new-service", "billing", "--thing", thing], text);
    }
    copy.refuses(&["new-service", "billing", "--thing", "sheep", "--things", "sheep"], "two words");
    copy.has_changed_nothing();

    fs::write(copy.path().join("note.txt"), "mine").unwrap();
    copy.refuses(&["new-service", "billing"], "note.txt");
    assert_eq!(copy.changed(), ["note.txt"]);
}

#[test]
fn a_run_that_is_killed_has_changed_nothing_or_everything() {
    let copy = Repository::new();
    let whole = {
        let other = Repository::new();
        assert!(other.kith(&["new-service", "billing"]).status.success());
        other.changed()
    };
    for after in [0, 20, 50, 100, 200, 400, 800] {
        let mut run = copy.command(&["new-service", "billing"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(after));
        let _ = run.kill();
        run.wait().unwrap();
        // A git that it started goes on by itself.
        let deadline = Instant::now() + Duration::from_secs(30);
        while let changed = copy.changed()
            && !(changed.is_empty() || changed == whole)
        {
            assert!(Instant::now() < deadline, "killed after {after} ms: {changed:?}");
            thread::sleep(Duration::from_millis(20));
        }
        copy.git(&["reset", "--hard", "--quiet"]);
    }

    assert!(copy.kith(&["new-service", "billing"]).status.success());
    assert_eq!(copy.changed(), whole);
}
