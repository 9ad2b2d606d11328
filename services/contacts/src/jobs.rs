//! The job that imports a file into an address book, one batch of cards per step.

pub mod housekeeping;

use contacts_events::ImportFile;
use serde::Deserialize;
use skeleton::{Failure, HandlerResult, Jobs, Progress, Publish, store::postgres::Tx};

use crate::{
    domain::{
        self, Contact, Import, Status,
        files::{self, Card},
    },
    events, store,
};

/// The settings section `imports`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportSettings {
    /// The number of cards that one transaction imports.
    pub stretch: u32,
    /// The most unfinished imports that an account may have.
    pub unfinished_per_account: i64,
}

/// The jobs of contacts.
pub fn jobs() -> Jobs<Tx> {
    Jobs::new().on_cancellable(import_file, import_cancelled).at_most::<ImportFile>(4)
}

/// Reads an uploaded file, and imports its next batch of cards.
async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    let Some(import) = store::find_import(tx, job.import_id).await? else { return Ok(Progress::Done) };
    let import = match import.status {
        Status::Queued => read_file(import, tx).await?,
        Status::Running => import,
        Status::Uploading | Status::Finished | Status::Failed => return Ok(Progress::Done),
        // Cancelled while this step waited for the lock on the import.
        Status::Cancelled => return import_cancelled(job, tx).await.map(|()| Progress::Stopped),
    };
    if import.status == Status::Failed {
        return Ok(Progress::Done);
    }
    take_in(import, tx).await
}

/// Ends an import whose job was cancelled, and deletes the cards not imported yet.
async fn import_cancelled(job: ImportFile, tx: &mut Tx) -> HandlerResult {
    let Some(import) = store::find_import(tx, job.import_id).await? else { return Ok(()) };
    store::forget_entries(tx, import.id).await?;
    store::forget_file(tx, import.id).await?;
    // The owner has cancelled the import already, or an operator has cancelled the job.
    let Ok(Some(cancelled)) = import.cancel() else { return Ok(()) };
    store::update_import(tx, &cancelled).await?;
    let now = tx.now();
    tx.publish(events::cancelled(&cancelled, now))
}

/// Reads the whole file and stores its cards for the next steps.
async fn read_file(import: Import, tx: &mut Tx) -> Result<Import, Failure> {
    let file = store::file_of(tx, import.id).await?;
    // Reading a large file takes long, so it runs on a blocking thread.
    let read = tokio::task::spawn_blocking(move || {
        files::read(&file).map(|contents| (contents.format, domain::plan(contents)))
    });
    let now = tx.now();
    let read = read.await.map_err(Failure::bug)?;
    let (format, planned) = match read {
        Ok((format, planned)) if planned.cards.is_empty() => (Some(format), Err(nothing_in(&planned))),
        Ok((format, planned)) => (Some(format), Ok(planned)),
        Err(refusal) => (None, Err(refusal.to_string())),
    };
    let import = Import { format: format.map(|format| format.name().to_owned()), ..import };
    let import = match planned {
        Ok(planned) => {
            store::lay_out(tx, import.id, &planned).await?;
            tx.publish(events::started(&import, now))?;
            Import {
                status: Status::Running,
                total: planned.total,
                failed: planned.failed,
                unchanged: planned.doubles,
                ..import
            }
        }
        Err(reason) => {
            tx.publish(events::failed(&import, reason.clone(), now))?;
            Import { status: Status::Failed, error: Some(reason), ..import }
        }
    };
    store::update_import(tx, &import).await?;
    store::forget_file(tx, import.id).await?;
    Ok(import)
}

fn nothing_in(planned: &domain::Planned) -> String {
    match planned.problems.first() {
        Some(problem) => format!("nothing in this file could be read: line {}: {}", problem.line, problem.reason),
        None => "there are no contacts in this file: export it again".to_owned(),
    }
}

/// Imports the next batch.
async fn take_in(import: Import, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    let settings = tx.resource::<ImportSettings>();
    let cards = store::take_entries(tx, import.id, settings.stretch).await?;
    let is_last = cards.len() < settings.stretch as usize;
    let mut import = save_cards(import, cards, tx).await?;
    let now = tx.now();
    if is_last {
        import.status = Status::Finished;
        tx.publish(events::finished(&import, now))?;
    } else {
        tx.publish(events::progressed(&import))?;
    }
    store::update_import(tx, &import).await?;
    if is_last {
        return Ok(Progress::Done);
    }
    let (done, total) = (import.done().into(), import.total.into());
    let position = import.added + import.changed + import.unchanged;
    Ok(Progress::Measured { next: ImportFile { import_id: import.id, position }, done, total })
}

async fn save_cards(mut import: Import, cards: Vec<(String, Card)>, tx: &mut Tx) -> Result<Import, Failure> {
    let total = count(&cards);
    let keys: Vec<&str> = cards.iter().map(|(key, _)| key.as_str()).collect();
    let mut there = store::contacts_by_key(tx, import.account_id, &keys).await?;
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    let now = tx.now();
    for (key, card) in cards {
        match there.remove(&key) {
            None => new.push(Contact::imported(tx.new_id(), import.account_id, key, card, now)),
            Some(contact) => changed.extend(contact.updated_from(&card, now)),
        }
    }
    if store::insert_all(tx, &new).await? < new.len() as u64 {
        return Err(Failure::retry("contacts of the file were added by hand meanwhile"));
    }
    store::update_all(tx, &changed).await?;
    for contact in &new {
        tx.publish(events::added(contact))?;
    }
    for contact in &changed {
        tx.publish(events::changed(contact))?;
    }
    let (added, updated) = (count(&new), count(&changed));
    import.added += added;
    import.changed += updated;
    import.unchanged += total - added - updated;
    Ok(import)
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
