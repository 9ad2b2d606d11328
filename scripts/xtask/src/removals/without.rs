//! Runs a test without its mechanism.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use super::{
    list::Removal,
    run::{Verdict, build, run},
};

/// Removes a mechanism, runs its test, and restores the mechanism.
pub async fn without(copy: &Path, removal: &Removal) -> Result<Verdict> {
    let file = copy.join(removal.file);
    let text = fs::read_to_string(&file).with_context(|| removal.file.to_owned())?;
    fs::write(&file, removal.taken_out_of(&text)?)?;
    let outcome = async { run(copy, &build(copy).await?, removal.test).await }.await;
    fs::write(&file, text)?;
    outcome
}

impl Removal {
    fn taken_out_of(&self, text: &str) -> Result<String> {
        let times = text.matches(self.find).count();
        let (name, file) = (self.name, self.file);
        ensure!(times == 1, "{file} has the text of {name} {times} times instead of once: update the list of removals");
        Ok(text.replace(self.find, self.replace))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{native::repository, removals::list::removals};

    #[test]
    fn each_mechanism_is_where_the_list_says_and_its_test_is_there() {
        for removal in removals() {
            let text = fs::read_to_string(repository().join(removal.file)).unwrap();
            removal.taken_out_of(&text).unwrap();
            let (module, test) = removal.test.rsplit_once("::").unwrap();
            let file = |module: &str| format!("skeleton/tests/all/{}.rs", module.replace("::", "/"));
            // A case of the conformance suite is one generic function, run for every store.
            let (file, signature) = match module.rsplit_once("::") {
                Some((suite, _)) if suite.starts_with("conformance::") => (file(suite), format!("fn {test}<")),
                _ => (file(module), format!("fn {test}()")),
            };
            let tests = fs::read_to_string(repository().join(file)).unwrap();
            assert!(tests.contains(&signature), "{} is gone", removal.test);
        }
    }
}
