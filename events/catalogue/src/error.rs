//! The errors of the catalogue.

use std::{io, path::PathBuf};

use contracts::{ContractError, MessageName};

/// The reason why the catalogue cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The contracts cannot be read.
    #[error(transparent)]
    Contracts(#[from] ContractError),
    /// A service reads a message that has no schema.
    #[error(
        "services/{service}/contract.json reads {message}, which has no schema: write events/schemas/{}/{}.json, \
         or write the contract anew with: cargo xtask events contracts",
        message.owner, message.key()
    )]
    UnknownMessage {
        /// The service.
        service: String,
        /// The message.
        message: MessageName,
    },
    /// The reply of a request does not exist.
    #[error("{request} names the reply {reply}, which has no schema: write it, or name another in x-kith")]
    UnknownReply {
        /// The request.
        request: MessageName,
        /// The reply.
        reply: MessageName,
    },
    /// The folder contains files that are not a catalogue, which would be deleted.
    #[error("{} contains files that are not a catalogue: use a new folder, or empty it", .0.display())]
    NotACatalogue(PathBuf),
    /// A file cannot be written.
    #[error("{}: {error}", path.display())]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}
