//! `<service> sequences recover`: after the service's store was restored from a backup, numbering continues after the
//! last published event of each subject, not where the backup ended.

use clap::Subcommand;
use futures::future::BoxFuture;

use super::{
    Service,
    exit::{Exit, WRONG_SETTINGS},
    waiting::{connected, prepare_store},
};
use crate::{
    config::{BrokerSettings, Settings, SettingsError},
    environment::Environment,
    failure::StoreError,
    messaging::{
        history::{LastNumbers, last_numbers},
        rabbit::{BrokerError, Link, Login},
    },
    stop,
    store::Store,
};

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

/// The result of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The number of subjects that were behind.
    pub behind: u64,
    /// The number of subjects in the history.
    pub subjects: usize,
    /// The number of messages in the history that were ignored, because the service cannot have published them.
    pub ignored: u64,
}

/// Why sequences were not recovered.
#[derive(Debug, thiserror::Error)]
pub enum SequencesError {
    /// A setting is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store of the service has no outbox, so its events have no numbers.
    #[error("the events of this service have no sequence numbers: its store has no outbox")]
    NotNumbered,
    /// The store does not respond, or refuses.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// The service would use numbers a second time.
    #[error(
        "{behind} subjects are numbered behind the history, as after the loss of the store: stop the service, and run \
         `{service} sequences recover` before it runs again"
    )]
    Behind {
        /// The service.
        service: &'static str,
        /// The number of such subjects.
        behind: u64,
    },
    /// The history cannot be read.
    #[error("the history cannot be read: {0}")]
    History(BrokerError),
}

impl<S: Store> Service<S> {
    /// Raises the sequence numbers of the service's subjects to those of its published events.
    ///
    /// # Errors
    /// If settings are invalid, or the broker or the store does not respond.
    pub async fn recover_sequences(&self, settings: &Settings, dry_run: bool) -> Result<Recovered, SequencesError> {
        let raise = self.sequencing.ok_or(SequencesError::NotNumbered)?;
        let store = self.open_store(settings)?;
        prepare_store(&store, dry_run).await?;
        let broker: BrokerSettings = settings.section("broker")?;
        let (_open, opened) = stop::channel();
        let login = Login::of_service(self.name, &broker)?;
        let link = Link::open(login, format!("{} recovering", self.name), Environment::system(), opened);
        connected(&link).await.map_err(SequencesError::History)?;
        self.raise_to_history(raise, &store, &link, dry_run).await
    }

    /// Stops a task that would publish events under numbers that were used before: the store was lost, or restored from
    /// a backup.
    pub(super) async fn check_numbers(&self, store: &S, link: &Link) -> Result<(), SequencesError> {
        let Some(raise) = self.sequencing else { return Ok(()) };
        let Recovered { behind, .. } = self.raise_to_history(raise, store, link, true).await?;
        if behind == 0 { Ok(()) } else { Err(SequencesError::Behind { service: self.name, behind }) }
    }

    async fn raise_to_history(
        &self,
        raise: Raise<S>,
        store: &S,
        link: &Link,
        dry_run: bool,
    ) -> Result<Recovered, SequencesError> {
        let last = last_numbers(link, self.name).await;
        let LastNumbers { numbers, ignored } = last.map_err(SequencesError::History)?;
        let numbers: Vec<(String, i64)> = numbers.into_iter().collect();
        let mut behind = 0;
        for some in numbers.chunks(WINDOW) {
            behind += raise(store.clone(), some.to_vec(), dry_run).await?;
        }
        Ok(Recovered { behind, subjects: numbers.len(), ignored })
    }

    pub(super) async fn sequences_command(mut self, command: SequencesCommand, settings: Settings) -> Exit {
        let SequencesCommand::Recover { dry_run } = command;
        if let Err(exit) = self.checked(settings.clone()) {
            return exit;
        }
        match self.recover_sequences(&settings, dry_run).await {
            Ok(Recovered { behind, subjects, ignored }) => {
                let done = if dry_run { "dry run: nothing was changed" } else { "they continue after it" };
                println!("{subjects} subjects checked, {behind} behind the history ({done})");
                if ignored > 0 {
                    println!("ignored messages of the history, which this service cannot have published: {ignored}");
                }
                Exit::well()
            }
            Err(SequencesError::Settings(error)) => Exit::failed(WRONG_SETTINGS, error),
            Err(error @ SequencesError::NotNumbered) => Exit::failed(2, error),
            Err(error) => Exit::failed(1, error),
        }
    }
}
