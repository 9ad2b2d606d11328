//! The files of the catalogue, and writing them into a folder.

use std::{collections::BTreeMap, fs, io, path::Path};

use crate::CatalogueError;

/// The text of every file, by its path within the catalogue.
pub type Files = BTreeMap<String, String>;

/// A file that identifies a folder as a catalogue.
const MARK: &str = "asyncapi/kith.json";

/// Writes the files into a folder. Deletes an older catalogue there; any other content is an error.
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
