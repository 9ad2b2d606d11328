//! A new service, made from the template.

mod copy;
mod render;
mod tool;
mod words;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

use self::{
    copy::Copy,
    tool::{git, run, run_with_input},
};
use crate::{Generated, Service, services};

pub use words::Words;

/// The patch that adds a service to a repository.
#[derive(Debug)]
pub struct Patch(String);

impl Patch {
    /// Makes the service in a copy of the repository's newest commit: the repository does not change.
    ///
    /// # Errors
    /// If the repository has uncommitted changes, or something has this name already, or a tool fails.
    pub fn of(repository: &Path, words: &Words) -> Result<Self> {
        let changes = git(repository, &["status", "--porcelain", "--untracked-files=all"])?;
        ensure!(changes.is_empty(), "commit or stash these changes first:\n{}", changes.trim_end());
        let copy = Copy::of(repository)?;
        let root = copy.path();
        let others = services(root)?;
        is_free(root, &words.service)?;
        is_tracked(repository, &words.service)?;
        render::write(root, words, free_port(&others)?)?;
        for file in Generated::all(root, &services(root)?)? {
            file.write(root)?;
        }
        // The lock file has the new packages, and nothing else changes in it.
        run(root, "cargo", &["update", "--quiet", "--workspace", "--offline"])?;
        Ok(Self(copy.patch()?))
    }

    /// The patch, as `git apply` takes it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Changes the repository. The changes are in the index, too: `git diff --cached` shows them, and `git reset --hard`
    /// undoes them.
    ///
    /// # Errors
    /// If git refuses the patch, or cannot write it.
    pub fn apply(&self, repository: &Path) -> Result<()> {
        let top = git(repository, &["rev-parse", "--show-toplevel"])?;
        // The paths of the patch begin at the repository of Kith, which may be a folder of a larger one.
        let folder = format!("--directory={}", git(repository, &["rev-parse", "--show-prefix"])?.trim_end());
        let apply = |more: &[&str]| {
            let arguments = [&["apply", "--index", "--whitespace=nowarn", &folder], more, &["-"]].concat();
            run_with_input(Path::new(top.trim_end()), "git", &arguments, &self.0)
        };
        apply(&["--check"]).context("git refuses the patch; nothing was changed")?;
        let undo = "git could not write everything: mend that, then undo what it has written with `git reset --hard` and \
                    `git clean -fd services events/schemas`";
        apply(&[]).context(undo).map(drop)
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

/// Fails if git ignores a folder of this name: files that are added to it later would be left out of commits.
fn is_tracked(repository: &Path, name: &str) -> Result<()> {
    for file in [format!("services/{name}/src/lib.rs"), format!("events/schemas/{name}/src/lib.rs")] {
        let ignored = git(repository, &["check-ignore", "--no-index", &file]).is_ok();
        ensure!(!ignored, "git ignores {file} (.gitignore): choose another name");
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
