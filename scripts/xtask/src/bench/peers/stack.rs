//! The other stacks for the same two jobs, and how each is built and started.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::addresses::Addresses;

/// A stack.
pub struct Stack {
    /// Its name, which is also its folder.
    pub name: &'static str,
    /// The commands that build it, in its folder.
    build: &'static [&'static [&'static str]],
    /// The file that a successful build creates.
    built: &'static str,
    /// Whether the built program contains the servers' addresses.
    holds_addresses: bool,
    /// The command that consumes; `QUEUE` and `LANES` are placeholders.
    consume: &'static [&'static str],
    /// The command that serves HTTP; `PORT` is a placeholder.
    serve: &'static [&'static str],
    /// The queue that it publishes to.
    pub publishes_into: &'static str,
    /// How many messages it gets: fewer if it would take minutes.
    pub messages: usize,
}

/// In the order of the table.
pub const STACKS: [Stack; 5] = [
    Stack {
        name: "floor",
        build: &[&["cargo", "build", "--release", "--target-dir", "target"]],
        built: "target/release/floor",
        holds_addresses: false,
        consume: &["target/release/floor", "consume", "QUEUE", "MODE"],
        serve: &["target/release/floor", "serve", "PORT", "plain"],
        publishes_into: "bench.out.floor",
        messages: 20_000,
    },
    Stack {
        name: "watermill",
        build: &[&["go", "build", "-o", "bin/watermill", "."]],
        built: "bin/watermill",
        holds_addresses: true,
        consume: &["bin/watermill", "consume", "QUEUE", "LANES"],
        serve: &["bin/watermill", "serve", "PORT"],
        publishes_into: "bench.out.watermill",
        messages: 20_000,
    },
    Stack {
        name: "spring",
        build: &[&["mvn", "-q", "-B", "package"]],
        built: "target/spring-peer.jar",
        holds_addresses: true,
        consume: &[
            "java",
            "-Xmx512m",
            "-jar",
            "target/spring-peer.jar",
            "--spring.profiles.active=consume",
            "--peer.queue=QUEUE",
            "--peer.lanes=LANES",
        ],
        serve: &[
            "java",
            "-Xmx512m",
            "-jar",
            "target/spring-peer.jar",
            "--spring.profiles.active=serve",
            "--server.port=PORT",
        ],
        publishes_into: "bench.out.spring",
        messages: 20_000,
    },
    Stack {
        name: "node",
        build: &[&["npm", "ci", "--silent"]],
        built: "node_modules",
        holds_addresses: false,
        consume: &["node", "consume.js", "QUEUE", "LANES"],
        serve: &["node", "serve.js", "PORT"],
        publishes_into: "bench.out.node",
        messages: 20_000,
    },
    Stack {
        name: "faststream",
        build: &[&["python3", "-m", "venv", ".venv"], &[".venv/bin/pip", "install", "-q", "-r", "requirements.txt"]],
        built: ".venv/bin/uvicorn",
        holds_addresses: false,
        consume: &[".venv/bin/python", "consume.py", "QUEUE", "LANES"],
        serve: &[".venv/bin/python", "serve.py", "PORT"],
        publishes_into: "bench.out.faststream",
        messages: 5_000,
    },
];

impl Stack {
    /// Copies the stack and builds it there, unless it is built already.
    ///
    /// # Errors
    /// If the build fails, with the reason.
    pub async fn build(&self, from: &Path, to: &Path, addresses: &Addresses) -> Result<()> {
        let folder = to.join(self.name);
        if addresses.copy(&from.join(self.name), &folder)? && self.holds_addresses {
            // It may not exist yet.
            let _ = fs::remove_file(folder.join(self.built));
        }
        if folder.join(self.built).exists() {
            return Ok(());
        }
        for command in self.build {
            eprintln!("building {}: {}", self.name, command.join(" "));
            let [program, arguments @ ..] = command else { continue };
            let mut building = Command::new(program);
            let output = building.args(arguments).env_remove("CARGO_TARGET_DIR").current_dir(&folder).output().await;
            let output = output.with_context(|| format!("{program} is not installed"))?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr);
                bail!("{program} failed: {}", text.lines().last().unwrap_or_default());
            }
        }
        Ok(())
    }

    /// The command that consumes a queue in this many lanes.
    pub fn consuming(&self, folder: &Path, queue: &str, lanes: usize) -> Command {
        // The floor has no lanes but a batch mode.
        let mode = if lanes == 1 { "seq" } else { "batch64row" };
        self.command(folder, self.consume, &[("QUEUE", queue), ("LANES", &lanes.to_string()), ("MODE", mode)])
    }

    /// The command that serves on a port.
    pub fn serving(&self, folder: &Path, port: u16) -> Command {
        self.command(folder, self.serve, &[("PORT", &port.to_string())])
    }

    fn command(&self, folder: &Path, words: &[&str], values: &[(&str, &str)]) -> Command {
        let filled =
            |word: &&str| values.iter().fold((*word).to_owned(), |word, (name, value)| word.replace(name, value));
        let mut words = words.iter().map(filled);
        let program = words.next().unwrap_or_default();
        let folder = folder.join(self.name);
        let inside = folder.join(&program);
        let mut command = if program.contains('/') { Command::new(inside) } else { Command::new(program) };
        command.args(words).current_dir(&folder);
        if let Ok(log) = fs::File::create(folder.join("run.log")) {
            command.stderr(log);
        }
        command
    }

    /// The versions of its parts, from its own files.
    pub fn versions(&self, folder: &Path) -> String {
        let read = |file: &str| fs::read_to_string(folder.join(self.name).join(file)).unwrap_or_default();
        let names: BTreeMap<&str, &[&str]> = BTreeMap::from([
            ("watermill", &["watermill v", "watermill-amqp/v3 v", "watermill-sql/v4 v", "pgx/v5 v"][..]),
            ("faststream", &["faststream", "asyncpg"][..]),
            ("spring", &["<version>3"][..]),
            ("node", &["\"amqplib\"", "\"pg\""][..]),
        ]);
        let file = match self.name {
            "watermill" => read("go.mod"),
            "faststream" => read("requirements.txt"),
            "spring" => read("pom.xml"),
            "node" => read("package.json").replace(',', "\n"),
            _ => return String::new(),
        };
        let wanted = names.get(self.name).copied().unwrap_or_default();
        let lines = file.lines().filter(|line| wanted.iter().any(|name| line.contains(name)));
        let lines: Vec<String> = lines.map(|line| line.trim().replace(['"', '{', '}'], "")).collect();
        lines.join(", ")
    }
}

/// The folder that the stacks are copied to.
pub fn copies() -> PathBuf {
    crate::native::repository().join(".run/peers")
}
