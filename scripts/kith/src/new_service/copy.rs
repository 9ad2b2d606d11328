//! A copy of a repository's newest commit.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::tool::{plain_git, run};

/// A copy in a temporary folder, as a repository of its own without the user's settings of git. Removed when dropped; a kill
/// leaves it in the folder for temporary files.
pub struct Copy {
    folder: TempDir,
    before: String,
}

impl Copy {
    /// Copies the newest commit.
    pub fn of(repository: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix("kith-")?;
        let tree = folder.path().to_str().context("the folder for temporary files is not UTF-8")?;
        let script = "set -o pipefail; git -c core.autocrlf=false archive --format=tar HEAD | tar -x -C \"$0\"";
        run(repository, "bash", &["-c", script, tree]).context("cannot copy the repository")?;
        plain_git(folder.path(), &["init", "--quiet"])?;
        let before = snapshot(folder.path())?;
        Ok(Self { folder, before })
    }

    /// Its root.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that has changed since, files that are ignored included.
    pub fn patch(&self) -> Result<String> {
        let after = snapshot(self.path())?;
        let form = ["-p", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-renames", "-U3"];
        let trees = [self.before.as_str(), after.as_str()];
        plain_git(self.path(), &[&["diff-tree"], &form[..], &trees[..]].concat())
    }
}

/// The id of the tree of a folder's files.
fn snapshot(folder: &Path) -> Result<String> {
    plain_git(folder, &["add", "--all", "--force"])?;
    Ok(plain_git(folder, &["write-tree"])?.trim_end().to_owned())
}
