//! Upcasters: the code that reads a version of a message as the next one, `events/schemas/<owner>/src/versions.rs`.

use std::{fs, io, path::Path};

use crate::{ContractError, MessageName};

/// Returns the path of the upcasters of a service's messages.
pub(crate) fn file_of(owner: &str) -> String {
    format!("events/schemas/{owner}/src/versions.rs")
}

/// The upcasters of the messages of one service.
pub(crate) struct Upcasters {
    code: String,
}

impl Upcasters {
    /// Reads them; a service whose messages have one version each has none.
    pub(crate) fn read(repository: &Path, owner: &str) -> Result<Self, ContractError> {
        let path = repository.join(file_of(owner));
        match fs::read_to_string(&path) {
            Ok(code) => Ok(Self { code }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { code: String::new() }),
            Err(error) => Err(ContractError::Unreadable { path, error }),
        }
    }

    /// Whether the code names the type of a message. The compiler checks that the upcaster is correct.
    pub(crate) fn lead_to(&self, message: &MessageName) -> bool {
        let wanted = type_name(message);
        let code = self.code.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.flat_map(|line| line.split(|sign: char| !sign.is_alphanumeric() && sign != '_')).any(|word| word == wanted)
    }
}

/// Returns the Rust type of a message: `contacts.contact-added.v2` is `ContactAddedV2`.
fn type_name(message: &MessageName) -> String {
    let words = message.name.split('-').filter_map(|word| word.split_at_checked(1));
    let name: String = words.map(|(first, rest)| first.to_uppercase() + rest).collect();
    if message.version > 1 { format!("{name}V{}", message.version) } else { name }
}
