//! `cargo xtask events consumers`: the readers of a message, or of a field of it.

use crate::{ContractError, Contracts, Message, MessageName, pointer::exists};

/// Returns the readers of a message or a field of it, as human-readable text.
///
/// # Errors
/// Returns an error if there is no such message or field.
pub fn consumers_text(contracts: &Contracts, name: &MessageName, field: Option<&str>) -> Result<String, ContractError> {
    let message = contracts.message(name)?;
    let field = field.unwrap_or_default();
    if !exists(&message.bundled, field) {
        let why = format!("{name} has no field {field}: write it as /name, items of lists and maps as /emails/*");
        return Err(ContractError::Unknown(why));
    }
    let readers = contracts.readers_at(message, field);
    if readers.is_empty() {
        return Ok(format!("no consumer of ours reads {field}{}{name}", if field.is_empty() { "" } else { " of " }));
    }
    let lines: Vec<_> = readers.iter().map(|reader| reader.text()).collect();
    Ok(lines.join("\n"))
}

impl Contracts {
    /// Returns a message by its name.
    ///
    /// # Errors
    /// Returns an error that lists the existing versions.
    pub fn message(&self, name: &MessageName) -> Result<&Message, ContractError> {
        self.messages.get(name).ok_or_else(|| {
            let known: Vec<_> = self.versions_of(name).map(|other| other.name.to_string()).collect();
            let known = if known.is_empty() { "see events/schemas".to_owned() } else { known.join(", ") };
            ContractError::Unknown(format!("there is no message {name}: {known}"))
        })
    }
}
