//! A new service, made from the template.

mod render;
mod tool;
mod words;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use self::tool::{git, run, run_with_input};
use crate::{Generated, Service, services};

pub use words::Words;

/// The patch that adds a service to a repository.
#[derive(Debug)]
pub struct Patch(String);

/// A working tree of the repository's newest commit, outside of it. Removed when dropped.
struct Worktree<'a> {
    repository: &'a Path,
    folder: TempDir,
}

impl Patch {
    /// Makes the service in a working tree of its own: the repository does not change.
    ///
    /// # Errors
    /// If the repository has uncommitted changes, or something has this name already, or a tool fails.
    pub fn of(repository: &Path, words: &Words) -> Result<Self> {
        let changes = git(repository, &["status", "--porcelain"])?;
        ensure!(changes.is_empty(), "commit or stash these changes first:\n{}", changes.trim_end());
        let worktree = Worktree::add(repository)?;
        let root = worktree.folder.path();
        let others = services(root)?;
        is_free(root, &words.service)?;
        render::write(root, words, free_port(&others)?)?;
        for file in Generated::all(root, &services(root)?)? {
            file.write(root)?;
        }
        // The lock file has the new packages, and nothing else changes in it.
        run(root, "cargo", &["update", "--quiet", "--workspace", "--offline"])?;
        git(root, &["add", "--all"])?;
        Ok(Self(git(root, &["diff", "--cached", "--binary", "HEAD"])?))
    }

    /// The patch, as `git diff` prints it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Changes the repository. The changes are in the index, too: `git diff --cached` shows them, and `git reset --hard`
    /// undoes them.
    ///
    /// # Errors
    /// If the repository has changed in the meantime.
    pub fn apply(&self, repository: &Path) -> Result<()> {
        run_with_input(repository, "git", &["apply", "--index", "--whitespace=nowarn", "-"], &self.0).map(drop)
    }
}

impl<'a> Worktree<'a> {
    fn add(repository: &'a Path) -> Result<Self> {
        // What an earlier run left, if it was killed.
        git(repository, &["worktree", "prune"])?;
        let folder = TempDir::with_prefix("kith-")?;
        let path = folder.path().to_str().context("the folder for temporary files is not UTF-8")?;
        git(repository, &["worktree", "add", "--quiet", "--detach", path, "HEAD"])?;
        Ok(Self { repository, folder })
    }
}

impl Drop for Worktree<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder.path());
        let _ = git(self.repository, &["worktree", "prune"]);
    }
}

/// Fails if a folder, a package or a crate has the name already.
fn is_free(root: &Path, name: &str) -> Result<()> {
    for folder in ["services", "events/schemas"] {
        ensure!(!root.join(folder).join(name).exists(), "{folder}/{name} exists already");
    }
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let packages = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let packages: Vec<String> = packages.map(|package| package.replace('-', "_")).collect();
    for package in [name.to_owned(), format!("{name}_events")] {
        ensure!(!packages.contains(&package), "the build has a package {package} already: choose another name");
    }
    Ok(())
}

/// The first admin port that no other service has.
fn free_port(others: &[Service]) -> Result<u16> {
    let Some(free) = (1..=99).find(|port| others.iter().all(|other| other.admin_port != *port)) else {
        bail!("there are 99 services, one for each admin port")
    };
    Ok(free)
}
