//! The command `saga`: what goes on over many messages, how far it is, and how it came there.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{SagaPhase, SagaRow, SagaStep, Sagas},
};

/// Looks at the sagas of a store; `None` where there is none that was asked for.
pub(super) type Commands<S> = fn(S, SagaCommand) -> BoxFuture<'static, Result<Option<String>, StoreError>>;

#[derive(Subcommand)]
pub(super) enum SagaCommand {
    /// List them, those that changed last first.
    List {
        /// Only those that are this far.
        #[arg(long)]
        state: Option<SagaPhase>,
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Show one: its state, its next time-out and its log.
    Show {
        /// The saga's id.
        id: Uuid,
    },
}

/// The commands of a store that keeps sagas.
pub(super) fn commands<S: Sagas>() -> Commands<S> {
    |store, command| Box::pin(run(store, command))
}

async fn run<S: Sagas>(store: S, command: SagaCommand) -> Result<Option<String>, StoreError> {
    match command {
        SagaCommand::List { state, limit } => {
            let found = store.list_sagas(state, limit).await?;
            Ok(Some(found.iter().map(line).collect::<Vec<_>>().join("\n")))
        }
        SagaCommand::Show { id } => {
            let found = store.sagas_of(id).await?;
            let shown: Vec<_> = found.iter().map(|(saga, steps)| whole(saga, steps)).collect();
            Ok((!shown.is_empty()).then(|| shown.join("\n\n")))
        }
    }
}

fn line(saga: &SagaRow) -> String {
    let SagaRow { name, id, phase, begun_at, changed_at, .. } = saga;
    let timeout = saga.timeout.map_or_else(|| "-".to_owned(), |timeout| stamp(timeout.due));
    let phase = phase.as_str();
    format!("{id}  {name}  {phase}  begun {}  last step {}  time-out {timeout}", stamp(*begun_at), stamp(*changed_at))
}

fn whole(saga: &SagaRow, steps: &[SagaStep]) -> String {
    let mut text = format!("saga {} {}\nphase {}\nstate {:#}", saga.name, saga.id, saga.phase.as_str(), saga.state);
    let timeout = saga.timeout.map_or_else(|| "-".to_owned(), |it| format!("{} (job {})", stamp(it.due), it.message));
    // Writing into a text does not fail.
    let _ = write!(text, "\nnext time-out {timeout}\nlog");
    for step in steps {
        let message = step.message.map_or_else(|| "-".to_owned(), |message| message.to_string());
        let undone_by = step.compensation.as_ref().map_or("", |_| ", can be undone");
        let _ = write!(text, "\n  {}  {}  by message {message}{undone_by}", stamp(step.at), step.what);
    }
    text
}

fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
