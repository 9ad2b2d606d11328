//! The names of settings, as errors show them.

use super::Settings;

/// How similar two names must be, from 0 to 1, for one to be taken for a typing error of the other.
const SIMILAR: f64 = 0.8;

impl Settings {
    /// Settings of a section with their variables: `store.url (CONTACTS__STORE__URL)`.
    pub(crate) fn names(&self, section: &str, keys: &[&str]) -> String {
        let named = keys.iter().map(|key| setting_name(&self.service, section, key));
        named.collect::<Vec<_>>().join(" and ")
    }

    /// The environment variable that sets a value.
    pub(crate) fn variable(&self, section: &str, key: &str) -> String {
        variable(&self.service, section, key)
    }

    /// Where a section is set besides its variables.
    pub(super) fn in_file(&self, section: &str) -> String {
        format!("the section [{section}] in the file that {}_CONFIG names", self.service.to_uppercase())
    }
}

/// A setting of a service with its variables, as in [`Settings::names`].
pub(crate) fn setting_name(service: &str, section: &str, key: &str) -> String {
    match variable(service, section, key) {
        // Whichever sets it: both would be refused.
        variable if key == "password" => format!("{section}.{key} ({variable} or {variable}_FILE)"),
        variable => format!("{section}.{key} ({variable})"),
    }
}

fn variable(service: &str, section: &str, key: &str) -> String {
    format!("{service}__{section}__{key}").to_uppercase().replace('.', "__")
}

/// A question after a name that does not exist: `, did you mean ...?`. Empty if no known name is similar.
pub(super) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let scored = known.into_iter().map(|known| (strsim::jaro(name, known), known));
    let best = scored.filter(|(score, _)| *score >= SIMILAR).max_by(|one, other| one.0.total_cmp(&other.0));
    best.map(|(_, known)| format!(", did you mean `{known}`?")).unwrap_or_default()
}
