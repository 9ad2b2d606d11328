//! `<service> parked ...`: runs each command and writes its output.

use std::{
    collections::HashSet,
    io::{Read as _, Write},
    path::Path,
};

use uuid::Uuid;

use super::{
    Checked, Edit, MOST, Refused,
    arguments::{AuditTrail, Chosen, Command, DropSome, EditOne, List, RedriveSome, ShowOne},
    drop_parked, find, redrive, shown,
};
use crate::store::{Filter, State, Store};

/// Runs a command and writes its outcome.
///
/// # Errors
/// If the command is refused or the store fails.
pub async fn run<S: Store>(store: &S, command: Command, out: &mut (impl Write + Send)) -> Result<(), Refused> {
    match command {
        Command::List(asked) => list_messages(store, asked, out).await,
        Command::Show(asked) => show_one(store, asked, out).await,
        Command::Redrive(asked) => redrive_some(store, asked, out).await,
        Command::Edit(asked) => edit_one(store, asked, out).await,
        Command::Drop(asked) => drop_some(store, asked, out).await,
        Command::Audit(asked) => list_decisions(store, asked, out).await,
    }
}

async fn list_messages<S: Store>(store: &S, list: List, out: &mut (impl Write + Send)) -> Result<(), Refused> {
    let filter = Filter { state: list.state.0, ..list.filter };
    let found = store.list_set_aside(&filter, list.limit).await?;
    if found.is_empty() && !list.json {
        writeln!(out, "no {} messages match", filter.state.map_or("such", State::as_str))?;
    }
    for message in found {
        let line = if list.json { shown::as_json(&message).to_string() } else { shown::line(&message) };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The selected messages. `None` after a dry run, which prints them.
async fn choose<S: Store>(
    store: &S,
    chosen: &Chosen,
    act: &str,
    out: &mut (impl Write + Send),
) -> Result<Option<Vec<Uuid>>, Refused> {
    if !chosen.all && chosen.filter == Filter::default() {
        return Err(Refused::NothingChosen);
    }
    let filter = chosen.filter.clone().in_state(chosen.state);
    if !chosen.dry_run {
        return Ok(Some(store.ids_of(&filter, MOST).await?));
    }
    let found = store.list_set_aside(&filter, MOST).await?;
    for message in &found {
        writeln!(out, "{}", shown::line(message))?;
    }
    writeln!(out, "would {act} {}", found.len())?;
    Ok(None)
}

async fn show_one<S: Store>(store: &S, asked: ShowOne, out: &mut (impl Write + Send)) -> Result<(), Refused> {
    let message = find(store, asked.id).await?;
    let text = if asked.data { shown::data(&message) } else { Some(shown::whole(&message)) };
    Ok(writeln!(out, "{}", text.as_deref().unwrap_or("not JSON"))?)
}

async fn redrive_some<S: Store>(store: &S, asked: RedriveSome, out: &mut (impl Write + Send)) -> Result<(), Refused> {
    let signed = asked.signature.read()?;
    let Some(messages) = choose(store, &asked.chosen, "redrive", out).await? else { return Ok(()) };
    let count = redrive(store, &messages, asked.rate, &signed).await?;
    Ok(writeln!(out, "redriven: {count}")?)
}

async fn drop_some<S: Store>(store: &S, asked: DropSome, out: &mut (impl Write + Send)) -> Result<(), Refused> {
    let signed = asked.signature.read()?;
    let Some(messages) = choose(store, &asked.chosen, "drop", out).await? else { return Ok(()) };
    // Read before they are gone.
    let lines = lines_of(store, &asked.chosen, &messages).await?;
    if messages.len() > 1 && !asked.yes {
        return Err(Refused::NotConfirmed(messages.len()));
    }
    let count = drop_parked(store, &messages, &signed).await?;
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(writeln!(out, "dropped: {count}")?)
}

/// These messages, one line each.
async fn lines_of<S: Store>(store: &S, chosen: &Chosen, messages: &[Uuid]) -> Result<Vec<String>, Refused> {
    let filter = chosen.filter.clone().in_state(chosen.state);
    let found = store.list_set_aside(&filter, MOST).await?;
    let messages: HashSet<_> = messages.iter().collect();
    Ok(found.iter().filter(|found| messages.contains(&found.message)).map(shown::line).collect())
}

async fn list_decisions<S: Store>(store: &S, asked: AuditTrail, out: &mut (impl Write + Send)) -> Result<(), Refused> {
    let trail = store.trail(asked.id, asked.limit).await?;
    if trail.is_empty() && !asked.json {
        writeln!(out, "no decisions")?;
    }
    for decision in trail {
        let line = if asked.json { serde_json::json!(decision).to_string() } else { shown::decision(&decision) };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

async fn edit_one<S: Store>(store: &S, asked: EditOne, out: &mut (impl Write + Send)) -> Result<(), Refused> {
    let signed = asked.signature.read()?;
    let text = read(&asked.data).map_err(|error| Refused::Unreadable(asked.data.display().to_string(), error))?;
    let edit = Edit::of(find(store, asked.id).await?, &text)?;
    match edit.checked {
        Checked::Schema(name) => writeln!(out, "the data fits the schema of {name}")?,
        Checked::JsonAlone => writeln!(out, "the data was checked only as JSON: this build has no schema for it")?,
    }
    if asked.dry_run {
        return Ok(writeln!(out, "would edit {}", asked.id)?);
    }
    if edit.is_change() {
        edit.keep(store, &signed).await?;
        writeln!(out, "edited: {}", asked.id)?;
    } else {
        writeln!(out, "nothing changed: the data is the same as before")?;
    }
    if asked.redrive {
        let count = redrive(store, &[asked.id], None, &signed).await?;
        writeln!(out, "redriven: {count}")?;
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return std::fs::read(path);
    }
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    Ok(text)
}
