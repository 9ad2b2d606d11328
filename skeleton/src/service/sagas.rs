//! The command `saga`: the sagas of a service, their state and their log.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use clap::Subcommand;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{SagaPhase, SagaRow, SagaStep, Sagas},
};

/// Runs a command on the sagas of a store; `None` if the requested one does not exist.
pub(super) type Commands<S> = fn(S, SagaCommand) -> BoxFuture<'static, Result<Option<String>, StoreError>>;

#[derive(Subcommand)]
pub(super) enum SagaCommand {
    /// List sagas, most recently changed first.
    List {
        /// Only sagas in this phase.
        #[arg(long)]
        state: Option<SagaPhase>,
        /// The maximum number of sagas.
        #[arg(long, default_value_t = 100)]
        limit: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one saga: its state, its next timeout and its log.
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
        SagaCommand::List { state, limit, json } => {
            let found = store.list_sagas(state, limit).await?;
            Ok(Some(match (json, found.is_empty()) {
                (true, _) => serde_json::json!(found.iter().map(as_json).collect::<Vec<_>>()).to_string(),
                (false, true) => "no sagas".to_owned(),
                (false, false) => found.iter().map(line).collect::<Vec<_>>().join("\n"),
            }))
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
    format!("{id}  {name}  {phase}  begun {}  last step {}  timeout {timeout}", stamp(*begun_at), stamp(*changed_at))
}

fn as_json(saga: &SagaRow) -> serde_json::Value {
    serde_json::json!({
        "id": saga.id,
        "name": saga.name,
        "phase": saga.phase.as_str(),
        "begun_at": saga.begun_at,
        "changed_at": saga.changed_at,
        "timeout_at": saga.timeout.map(|timeout| timeout.due),
    })
}

fn whole(saga: &SagaRow, steps: &[SagaStep]) -> String {
    let mut text = format!("saga {} {}\nphase {}\nstate {:#}", saga.name, saga.id, saga.phase.as_str(), saga.state);
    let timeout = saga.timeout.map_or_else(|| "-".to_owned(), |it| format!("{} (job {})", stamp(it.due), it.message));
    // Writing to a `String` does not fail.
    let _ = write!(text, "\nnext timeout {timeout}\nlog");
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
