//! Why there is no catalogue.

use std::{io, path::PathBuf};

use contracts::{ContractError, MessageName};

/// Why the catalogue cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The contracts cannot be read.
    #[error(transparent)]
    Contracts(#[from] ContractError),
    /// A service reads what nobody has written down.
    #[error(
        "services/{service}/contract.json reads {message}, which has no schema: write events/schemas/{}/{}.json, \
         or write the contract anew with: cargo xtask events contracts",
        message.owner, message.key()
    )]
    UnknownMessage {
        /// The service.
        service: String,
        /// What it reads.
        message: MessageName,
    },
    /// A reply that a request names is not there.
    #[error("{request} names the reply {reply}, which has no schema: write it, or name another in x-kith")]
    UnknownReply {
        /// The request.
        request: MessageName,
        /// Its reply.
        reply: MessageName,
    },
    /// The folder holds something that is no catalogue; it would be deleted.
    #[error("{} holds something else than a catalogue: name a new folder, or empty it", .0.display())]
    NotACatalogue(PathBuf),
    /// A file cannot be written.
    #[error("{}: {error}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}
