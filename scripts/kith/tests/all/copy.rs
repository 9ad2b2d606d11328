//! A copy of what the command line reads and writes in a repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What the command needs, and what it writes.
const FILES: [&str; 10] = [
    "Cargo.toml",
    "deploy/README.md",
    "deploy/compose/compose.yaml",
    "deploy/native/lib/common.sh",
    "deploy/native/lib/services_table.sh",
    "scripts/xtask/Cargo.toml",
    "scripts/xtask/src/packages.rs",
    "scripts/xtask/tests/every_service/mod.rs",
    "services/accounts/src/consumers/confirmations.rs",
    "services/accounts/src/domain/parts.rs",
];

/// A copy, removed when dropped.
pub struct Copy(TempDir);

impl Copy {
    pub fn new() -> Self {
        let copy = Self(TempDir::new().unwrap());
        for file in FILES {
            copy.take(Path::new(file));
        }
        for folder in fs::read_dir(repository().join("services")).unwrap() {
            let folder = PathBuf::from("services").join(folder.unwrap().file_name());
            copy.take(&folder.join("Cargo.toml"));
            copy.take(&folder.join("service.toml"));
        }
        copy
    }

    fn take(&self, file: &Path) {
        fs::create_dir_all(self.0.path().join(file).parent().unwrap()).unwrap();
        fs::copy(repository().join(file), self.0.path().join(file)).unwrap();
    }

    /// Adds a service with this `service.toml`.
    pub fn add(&self, name: &str, service: &str) {
        let folder = self.0.path().join("services").join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("Cargo.toml"), "").unwrap();
        fs::write(folder.join("service.toml"), service).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The command line, to be run in the copy.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-kith"));
        command.args(arguments).current_dir(self.path()).env_remove("KITH_RUN");
        command
    }

    pub fn kith(&self, command: &str) -> Output {
        self.command(&[command]).output().unwrap()
    }

    pub fn refuses(&self, text: &str) {
        let output = self.kith("generate");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(text), "{error}");
    }
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
