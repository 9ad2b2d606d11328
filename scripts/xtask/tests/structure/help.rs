//! Every script explains itself: `--help` prints its usage and starts nothing, an unknown option is refused.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

const NATIVE: [&str; 3] = ["servers", "services", "smtp-sink"];

fn scripts() -> Vec<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let files = repository.join("scripts").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let native = NATIVE.iter().map(|name| repository.join("deploy/native").join(name));
    files.filter(|path| path.is_file()).chain(native).collect()
}

fn run(script: &Path, option: &str) -> Output {
    // A folder without servers: a script that would use or start them is found out.
    let folder = std::env::temp_dir().join(format!("help-{}", std::process::id()));
    let output = Command::new(script).arg(option).env("KITH_RUN", &folder).output().unwrap();
    assert!(!folder.exists(), "{} {option} has created {}", script.display(), folder.display());
    output
}

#[test]
fn every_script_prints_its_usage_and_starts_nothing() {
    let scripts = scripts();
    assert!(scripts.len() > NATIVE.len() + 5, "{scripts:?}");
    for script in scripts {
        let help = run(&script, "--help");
        let text = String::from_utf8_lossy(&help.stdout);
        assert!(help.status.success() && text.contains("usage: "), "{}: {help:?}", script.display());

        let unknown = run(&script, "--no-such-option");
        assert_eq!(unknown.status.code(), Some(2), "{}: {unknown:?}", script.display());
    }
}
