//! The earlier text of a released file, from git.

use std::{path::Path, process::Command};

use crate::lock::digest;

/// Finds the text of a schema file whose digest is given: `(contacts/contact-added.v1.json, digest)`.
pub type Earlier<'a> = dyn Fn(&str, &str) -> Option<String> + 'a;

/// Searches the commits that touched the file, newest first. Returns `None` if git or the commit is not available, as
/// in a shallow clone.
pub(crate) fn in_git(repository: &Path) -> impl Fn(&str, &str) -> Option<String> {
    move |file, wanted| {
        let path = format!("./events/schemas/{file}");
        let commits = git(repository, &["log", "--format=%H", "--", &path])?;
        let texts = commits.lines().filter_map(|commit| git(repository, &["show", &format!("{commit}:{path}")]));
        texts.into_iter().find(|text| digest(text) == wanted)
    }
}

fn git(repository: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // A git hook sets these to the repository that it runs for, which may be another one.
    command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").env_remove("GIT_INDEX_FILE");
    let output = command.arg("-C").arg(repository).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
}
