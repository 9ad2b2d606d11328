//! Sample files of third parties, which are not part of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use skeleton::testing::test_data;

/// The folder of sample files; if there is none, prints that and returns `None`.
pub fn folder() -> Option<PathBuf> {
    test_data("vcard")?;
    test_data("contacts-csv")?.parent().map(Path::to_path_buf)
}

/// The contact files of the folder, sorted, as `folder/name` and content.
pub fn contact_files() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut files = Vec::new();
    for kind in ["contacts-csv", "vcard"] {
        for item in fs::read_dir(folder.join(kind)).expect("the folder can be listed") {
            let path = item.expect("the folder can be listed").path();
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            if [".csv", ".vcf", ".vcard", ".ref", ".ldif"].iter().any(|ending| name.ends_with(ending)) {
                files.push((format!("{kind}/{name}"), fs::read(&path).expect("the file can be read")));
            }
        }
    }
    files.sort();
    files
}

/// One file of the folder as bytes.
pub fn bytes(name: &str) -> Option<Vec<u8>> {
    folder().map(|folder| fs::read(folder.join(name)).expect("the file can be read"))
}

/// One JSON file of the folder.
pub fn json(name: &str) -> Option<serde_json::Value> {
    bytes(name).map(|bytes| serde_json::from_slice(&bytes).expect("the file is JSON"))
}

/// A pseudo-random generator with a fixed sequence.
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below the limit.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit.max(1) as u64).expect("it is below a usize")
    }
}
