//! The files of the catalogue, and how they come into a folder.

use std::{collections::BTreeMap, fs, io, path::Path};

use crate::CatalogueError;

/// The text of every file, by its path in the catalogue.
pub type Files = BTreeMap<String, String>;

/// A file that every catalogue has, so that a folder can be told to be one.
const MARK: &str = "asyncapi/kith.json";

/// Writes them into a folder. An older catalogue in it goes; anything else stays, and is an error.
pub(crate) fn write(files: &Files, out: &Path) -> Result<(), CatalogueError> {
    let unwritable = |path: &Path, error: io::Error| CatalogueError::Unwritable { path: path.to_path_buf(), error };
    if out.join(MARK).is_file() {
        fs::remove_dir_all(out).map_err(|error| unwritable(out, error))?;
    } else if fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(CatalogueError::NotACatalogue(out.to_path_buf()));
    }
    for (name, text) in files {
        let path = out.join(name);
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
        fs::write(&path, text).map_err(|error| unwritable(&path, error))?;
    }
    Ok(())
}
