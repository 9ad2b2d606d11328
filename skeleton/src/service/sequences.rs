//! `<service> sequences recover`: after the service's store was restored from a backup, numbering continues after the
//! last published event of each subject, not where the backup ended.

use std::time::Duration;

use clap::Subcommand;
use futures::future::BoxFuture;

use super::{
    Service,
    exit::{Exit, WRONG_SETTINGS},
};
use crate::{
    config::{BrokerSettings, Settings, SettingsError},
    environment::Environment,
    failure::StoreError,
    messaging::{
        history::last_numbers,
        rabbit::{BrokerError, Link, Login},
    },
    stop,
    store::Store,
};

/// The time limit for connecting to the broker.
const PATIENCE: Duration = Duration::from_secs(15);

/// The number of subjects raised in one statement.
const WINDOW: usize = 1000;

/// Raises sequence numbers in a store.
pub(super) type Raise<S> = fn(S, Vec<(String, i64)>, bool) -> BoxFuture<'static, Result<u64, StoreError>>;

#[derive(Subcommand)]
pub(super) enum SequencesCommand {
    /// After a restore from a backup, before the service runs again: read the service's history, and continue numbering
    /// after the last number of each subject.
    Recover {
        /// Only report how many subjects are behind.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Why sequences were not recovered.
#[derive(Debug, thiserror::Error)]
pub enum SequencesError {
    /// A setting is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The service publishes no events.
    #[error("this service publishes no events")]
    PublishesNothing,
    /// The store does not respond, or refuses.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The history cannot be read.
    #[error("the history cannot be read: {0}")]
    History(BrokerError),
}

impl<S: Store> Service<S> {
    /// Raises the sequence numbers of the service's subjects to those of its published events. Returns how many
    /// subjects were behind, and how many there are.
    ///
    /// # Errors
    /// If settings are invalid, or the broker or the store does not respond.
    pub async fn recover_sequences(&self, settings: &Settings, dry_run: bool) -> Result<(u64, usize), SequencesError> {
        let raise = self.sequencing.ok_or(SequencesError::PublishesNothing)?;
        let store = self.open_store(settings)?;
        store.migrate().await?;
        let numbers: Vec<(String, i64)> = published_numbers(self.name, settings).await?;
        let mut raised = 0;
        for some in numbers.chunks(WINDOW) {
            raised += raise(store.clone(), some.to_vec(), dry_run).await?;
        }
        Ok((raised, numbers.len()))
    }

    pub(super) async fn sequences_command(mut self, command: SequencesCommand, settings: Settings) -> Exit {
        let SequencesCommand::Recover { dry_run } = command;
        if let Err(exit) = self.checked(settings.clone()) {
            return exit;
        }
        match self.recover_sequences(&settings, dry_run).await {
            Ok((behind, of)) => {
                let done = if dry_run { "would continue" } else { "continue" };
                println!("{behind} of {of} subjects were behind the events published, and {done} after them");
                Exit::well()
            }
            Err(SequencesError::Settings(error)) => Exit::failed(WRONG_SETTINGS, error),
            Err(error) => Exit::failed(1, error),
        }
    }
}

async fn published_numbers(service: &str, settings: &Settings) -> Result<Vec<(String, i64)>, SequencesError> {
    let broker: BrokerSettings = settings.section("broker")?;
    let (_open, opened) = stop::channel();
    let login = Login::new(&broker)?;
    let link = Link::open(login, format!("{service} recovering"), Environment::system(), opened);
    if tokio::time::timeout(PATIENCE, link.up()).await.is_err() {
        return Err(SequencesError::History(BrokerError::Timeout(PATIENCE)));
    }
    let numbers = last_numbers(&link, service).await.map_err(SequencesError::History)?;
    Ok(numbers.into_iter().collect())
}
