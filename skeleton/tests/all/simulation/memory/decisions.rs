//! Decisions about parked messages, in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use skeleton::{
    StoreError,
    store::{Act, Decision, Decisions, Filter, Fingerprint, Group, SetAside, Signed, State},
};
use uuid::Uuid;

use super::{Memory, tables::Tables};

/// The messages that match a filter, oldest first.
pub fn fitting(tables: &Tables, filter: &Filter, limit: i64) -> Vec<SetAside> {
    let mut found: Vec<_> = tables.set_aside.values().filter(|kept| fits(kept, filter)).cloned().collect();
    found.sort_by_key(|kept| (kept.first_failed_at, kept.message));
    found.truncate(usize::try_from(limit).unwrap_or(0));
    found
}

fn fits(kept: &SetAside, filter: &Filter) -> bool {
    filter.id.is_none_or(|id| kept.message == id)
        && filter.name.as_ref().is_none_or(|name| kept.name == *name)
        && filter.subject.as_ref().is_none_or(|subject| kept.subject.as_ref() == Some(subject))
        && filter.reason.as_ref().is_none_or(|reason| kept.reason.contains(reason))
        && filter.queue.as_ref().is_none_or(|queue| kept.queue == *queue)
        && filter.since.is_none_or(|since| kept.first_failed_at >= since)
        && filter.until.is_none_or(|until| kept.first_failed_at < until)
        && filter.attempts.is_none_or(|attempts| kept.attempts >= attempts)
        && filter.state.is_none_or(|state| kept.state == state)
}

impl Memory {
    fn noted(&self, tables: &mut Tables, act: Act, kept: &SetAside, signed: &Signed) {
        let SetAside { message, queue, name, subject, reason, body, .. } = kept.clone();
        tables.trail.push(Decision {
            decided_at: self.life.environment.now(),
            decided_by: signed.by().to_owned(),
            act,
            note: signed.note().map(str::to_owned),
            message,
            queue,
            name,
            subject,
            reason,
            data_before: (act == Act::Edited).then(|| Fingerprint::of(&body)),
        });
    }
}

/// Those of these messages that a person may decide about.
fn for_people(tables: &Tables, messages: &[Uuid]) -> Vec<SetAside> {
    let kept = messages.iter().filter_map(|message| tables.set_aside.get(message));
    kept.filter(|kept| kept.state.is_for_people()).cloned().collect()
}

/// Gives up the earlier sequences of the subject that are not set aside.
fn give_up_before(tables: &mut Tables, kept: &SetAside) {
    let Some(place) = kept.place.as_ref().filter(|_| kept.state == State::Behind) else { return };
    let places = tables.set_aside.values().filter_map(|other| other.place.as_ref());
    let there: Vec<i64> = places.filter(|other| other.line == place.line).map(|other| other.number).collect();
    let missing = (tables.reached(&place.line) + 1..place.number).filter(|number| !there.contains(number));
    let missing: Vec<_> = missing.map(|number| (place.line.clone(), number)).collect();
    tables.given_up.extend(missing);
}

impl Decisions for Memory {
    async fn ids_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        self.ask("lists what is set aside").await?;
        Ok(fitting(&self.database.tables(), filter, limit).into_iter().map(|kept| kept.message).collect())
    }

    async fn groups_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Group>, StoreError> {
        self.ask("groups what is set aside").await?;
        let mut counts: BTreeMap<(String, String), i64> = BTreeMap::new();
        for kept in fitting(&self.database.tables(), filter, i64::MAX) {
            *counts.entry((kept.name, kept.reason)).or_default() += 1;
        }
        let group = |((name, reason), messages)| Group { name, reason, messages };
        let mut groups: Vec<Group> = counts.into_iter().map(group).collect();
        groups.sort_by_key(|group| -group.messages);
        groups.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(groups)
    }

    async fn redrive(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        self.ask("redrives").await?;
        let mut tables = self.database.tables();
        let chosen = for_people(&tables, messages);
        for kept in &chosen {
            give_up_before(&mut tables, kept);
            let due_at = self.life.environment.now();
            tables
                .set_aside
                .insert(kept.message, SetAside { state: State::Waiting, attempts: 0, due_at, ..kept.clone() });
            self.noted(&mut tables, Act::Redriven, kept, signed);
        }
        Ok(chosen.len() as u64)
    }

    async fn drop_parked(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        self.ask("drops").await?;
        let mut tables = self.database.tables();
        let chosen = for_people(&tables, messages);
        for kept in &chosen {
            tables.set_aside.remove(&kept.message);
            self.noted(&mut tables, Act::Dropped, kept, signed);
            let Some(place) = kept.place.clone() else { continue };
            for other in tables.set_aside.values_mut() {
                let is_next = other.place.as_ref().is_some_and(|other| other.line == place.line);
                if is_next && other.state == State::Behind {
                    (other.state, other.due_at) = (State::Waiting, self.life.environment.now());
                }
            }
            tables.given_up.insert((place.line, place.number));
        }
        Ok(chosen.len() as u64)
    }

    async fn edit(&self, seen: &SetAside, data: &[u8], signed: &Signed) -> Result<bool, StoreError> {
        self.ask("edits").await?;
        let mut tables = self.database.tables();
        let found = tables.set_aside.get_mut(&seen.message);
        let Some(kept) = found.filter(|kept| kept.state == State::Parked && kept.body == seen.body) else {
            return Ok(false);
        };
        kept.body = data.to_vec();
        self.noted(&mut tables, Act::Edited, seen, signed);
        Ok(true)
    }

    async fn trail(&self, message: Option<Uuid>, limit: i64) -> Result<Vec<Decision>, StoreError> {
        self.ask("reads the trail").await?;
        let limit = usize::try_from(limit).unwrap_or(0);
        let tables = self.database.tables();
        let about = |decision: &&Decision| message.is_none_or(|message| decision.message == message);
        Ok(tables.trail.iter().rev().filter(about).take(limit).cloned().collect())
    }

    async fn forget_decisions(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
        self.ask("removes old decisions").await?;
        let mut tables = self.database.tables();
        let all = tables.trail.len();
        let mut left = limit;
        tables.trail.retain(|decision| {
            let goes = decision.decided_at < before && left > 0;
            left -= i64::from(goes);
            !goes
        });
        Ok((all - tables.trail.len()) as u64)
    }
}
