//! Third-party test data, which is not part of the repository: `KITH_TEST_DATA` names its folder.

use std::{env, fs::File, io::Write as _, path::Path, path::PathBuf, thread};

/// Reads a file of the test data. If it does not exist, the test counts as skipped: its name goes to stderr and to the
/// file that `KITH_SKIPPED` names, which `scripts/test` shows at the end.
pub fn read(file: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("Cargo.lock").exists());
    let default = || root.unwrap_or(Path::new(".")).join("../shared/data");
    let path = env::var_os("KITH_TEST_DATA").map_or_else(default, PathBuf::from).join(file);
    let text = std::fs::read_to_string(&path);
    if text.is_err() {
        skipped(&format!("{} does not exist (set KITH_TEST_DATA)", path.display()));
    }
    text.ok()
}

fn skipped(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("skipped: {test}: {why}\n");
    // Not `println!`: it is only shown if the test fails.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = env::var_os("KITH_SKIPPED") {
        let opened = File::options().create(true).append(true).open(&file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("KITH_SKIPPED: {}: {error}", file.display()));
    }
}
