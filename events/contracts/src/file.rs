//! A schema file, loaded together with the files that it refers to.

use std::{
    cell::RefCell,
    fs, io,
    path::{Path, PathBuf},
};

use schema_compat::bundled;
use serde_json::Value;

use crate::ContractError;

/// A schema file.
pub(crate) struct SchemaFile {
    /// The text.
    pub(crate) text: String,
    /// The schema, as in the file.
    pub(crate) schema: Value,
    /// The schema with all referenced schemas embedded.
    pub(crate) bundled: Value,
}

impl SchemaFile {
    pub(crate) fn read(path: &Path) -> Result<Self, ContractError> {
        let text = text_of(path)?;
        Self::from_text(path, text)
    }

    /// Parses another text of an existing file; references are resolved next to the file.
    pub(crate) fn from_text(path: &Path, text: String) -> Result<Self, ContractError> {
        let schema = json(path, &text)?;
        let bundled = bundled_beside(path, &schema)?;
        Ok(Self { text, schema, bundled })
    }
}

fn bundled_beside(path: &Path, schema: &Value) -> Result<Value, ContractError> {
    let folder = path.parent().unwrap_or(path);
    let broken = RefCell::new(None);
    let found = bundled(schema, |file| {
        let beside = folder.join(file);
        match text_of(&beside).and_then(|text| json(&beside, &text)) {
            Ok(schema) => Some(schema),
            // It remains a reference; the comparison then reports that it cannot follow it.
            Err(ContractError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                broken.borrow_mut().get_or_insert(error);
                None
            }
        }
    });
    broken.into_inner().map_or(Ok(found), Err)
}

fn text_of(path: &Path) -> Result<String, ContractError> {
    fs::read_to_string(path).map_err(|error| ContractError::Unreadable { path: path.to_path_buf(), error })
}

fn json(path: &Path, text: &str) -> Result<Value, ContractError> {
    serde_json::from_str(text).map_err(|error| ContractError::malformed(path, format!("it is not JSON: {error}")))
}

/// The file with the end dates of old versions, in the folder of the owner's schemas.
pub(crate) const RETIREMENTS: &str = "retirements.json";

/// Whether a file of a package is a schema: the package has its code and its end dates beside them.
pub(crate) fn is_schema(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "json") && !file.ends_with(RETIREMENTS)
}

pub(crate) fn sorted(folder: &Path) -> Result<Vec<PathBuf>, ContractError> {
    let unreadable = |error| ContractError::Unreadable { path: folder.to_path_buf(), error };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}
