//! The sources of settings: defaults, file, environment.

use std::{collections::BTreeMap, env};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};

use super::{Settings, SettingsError};

/// The defaults that all services share. A service's own `config/default.toml` overrides them.
const SHARED_DEFAULTS: &str = include_str!("../../config/default.toml");

impl Settings {
    /// Reads the settings of a service: the shared defaults, `defaults`, the file that `<SERVICE>_CONFIG` names, and
    /// variables of the form `<SERVICE>__SECTION__KEY`. A key that ends in `_file` names a file that holds the value of
    /// the key without that suffix. The field's type decides how a text is parsed: a list is `1, 2` or `[1, 2]`. A text
    /// field gets every character, blanks included.
    ///
    /// # Errors
    /// If a source cannot be read.
    pub fn read(service: &str, defaults: &str) -> Result<Self, SettingsError> {
        let variables = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let prefix = format!("{}__", service.to_uppercase());
        let mut read = std::collections::HashMap::new();
        for (name, value) in variables {
            match value.into_string() {
                Ok(value) => drop(read.insert(name, value)),
                Err(_) if name.starts_with(&prefix) => {
                    let errors = vec![format!("{name} is not UTF-8")];
                    return Err(SettingsError { service: service.to_owned(), errors });
                }
                // It belongs to another program.
                Err(_) => {}
            }
        }
        Self::read_with(service, defaults, read)
    }

    /// The same with the given variables instead of the environment's.
    ///
    /// # Errors
    /// If a source cannot be read.
    pub fn read_with(
        service: &str,
        defaults: &str,
        variables: std::collections::HashMap<String, String>,
    ) -> Result<Self, SettingsError> {
        let failed = |error: String| SettingsError { service: service.to_owned(), errors: vec![error] };
        let prefix = service.to_uppercase();
        let misspelt = variables.keys().filter_map(|name| misspelling(name, &prefix)).collect();
        let mut sources = Config::builder()
            .add_source(File::from_str(SHARED_DEFAULTS, FileFormat::Toml))
            .add_source(File::from_str(defaults, FileFormat::Toml));
        if let Some(path) = variables.get(&format!("{prefix}_CONFIG")) {
            sources = sources.add_source(File::new(path, FileFormat::Toml));
        }
        let environment =
            Environment::with_prefix(&prefix).prefix_separator("__").separator("__").source(Some(variables));
        let all =
            sources.add_source(environment).build().map_err(|error| failed(without_source(&error.to_string())))?;
        let mut sections: BTreeMap<String, Value> = all.try_deserialize().map_err(|error| failed(error.to_string()))?;
        lift_partners(&mut sections);
        let mut settings = Self { service: service.to_owned(), sections, known: Vec::new(), misspelt };
        settings.take_in_secret_files().map_err(|errors| SettingsError { service: service.to_owned(), errors })?;
        Ok(settings)
    }
}

/// For a variable with one underscore after the service's name and two later: the section that it seems to mean, and the
/// error.
fn misspelling(variable: &str, prefix: &str) -> Option<(String, String)> {
    let rest = variable.strip_prefix(prefix)?.strip_prefix('_').filter(|rest| !rest.starts_with('_'))?;
    let (section, _) = rest.split_once("__")?;
    let section = section.to_lowercase();
    let error = format!("[{section}] {variable} is not a setting: did you mean {prefix}__{rest}?");
    Some((section, error))
}

/// The error of a file without the lines that quote it: they may hold a password.
fn without_source(error: &str) -> String {
    error.lines().filter(|line| !line.contains('|')).collect::<Vec<_>>().join("\n")
}

/// Turns `[partners.mail]` into a top-level section named `partners.mail`.
fn lift_partners(sections: &mut BTreeMap<String, Value>) {
    match sections.remove("partners") {
        Some(Value { kind: ValueKind::Table(partners), .. }) => {
            sections.extend(partners.into_iter().map(|(name, partner)| (format!("partners.{name}"), partner)));
        }
        Some(other) => drop(sections.insert("partners".to_owned(), other)),
        None => {}
    }
}
