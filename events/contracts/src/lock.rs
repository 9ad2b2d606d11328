//! `events/released.lock`: the released schema files and their digests.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use sha2::{Digest, Sha256};

use crate::ContractError;

/// The path of the lock file in a repository.
pub(crate) const LOCK: &str = "events/released.lock";

const HEADER: &str = "\
# The released schema files below events/schemas and their SHA-256. A released file never changes, not by a byte.
# Written by `cargo xtask events release`, checked by `cargo xtask events check`; do not edit.
";

/// The released files and their digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    digests: BTreeMap<String, String>,
}

impl Lock {
    /// Reads a repository's lock; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the lock cannot be read or a line of it is malformed.
    pub fn read(repository: &Path) -> Result<Option<Self>, ContractError> {
        let path = repository.join(LOCK);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map(Some).map_err(|why| ContractError::malformed(path, why)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ContractError::Unreadable { path, error }),
        }
    }

    /// Parses the text of a lock.
    ///
    /// # Errors
    /// Returns the first malformed line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut digests = BTreeMap::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let (digest, file) = entry(line).ok_or_else(|| {
                format!("line {} is not `<SHA-256 in hex>  <owner>/<file>`: restore it from git", number + 1)
            })?;
            if digests.insert(file.to_owned(), digest.to_owned()).is_some() {
                return Err(format!("line {}: {file} is listed twice: restore it from git", number + 1));
            }
        }
        Ok(Self { digests })
    }

    /// Returns the released files, each with its digest.
    pub fn released(&self) -> impl Iterator<Item = (&str, &str)> {
        self.digests.iter().map(|(file, digest)| (&**file, &**digest))
    }

    /// Whether a file is released.
    pub fn has(&self, file: &str) -> bool {
        self.digests.contains_key(file)
    }

    /// Adds a file with its present digest. A file that is already released keeps its digest.
    pub fn add(&mut self, file: String, text: &str) {
        self.digests.entry(file).or_insert_with(|| digest(text));
    }

    /// Writes the lock into a repository.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, repository: &Path) -> Result<(), ContractError> {
        let path = repository.join(LOCK);
        fs::write(&path, self.to_string()).map_err(|error| ContractError::Unreadable { path, error })
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HEADER)?;
        self.released().try_for_each(|(file, digest)| writeln!(formatter, "{digest}  {file}"))
    }
}

fn entry(line: &str) -> Option<(&str, &str)> {
    let (digest, file) = line.split_once("  ")?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_digest && file.contains('/')).then_some((digest, file))
}

/// Returns the SHA-256 of a text, in hex.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
