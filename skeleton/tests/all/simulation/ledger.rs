//! The ledger: records what was committed and what happened to it, and checks the invariants.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use chrono::{DateTime, Utc};
use events::Envelope;
use skeleton::store::{OutboxRow, State};
use uuid::Uuid;

use super::{
    memory::{
        Database,
        tables::{Effect, Tables},
    },
    services::{self, Handler, Mood, Needs},
    time::locked,
};

/// How often a message is taken out at most in a run, with all the attempts that faults interrupt.
const MOST_ATTEMPTS: u32 = 1000;

/// A committed message and the service that committed it.
#[derive(Clone, Debug)]
pub struct Committed {
    pub service: &'static str,
    pub envelope: Envelope,
    pub mood: Mood,
}

#[derive(Default)]
struct Book {
    committed: BTreeMap<Uuid, Committed>,
    due: BTreeMap<Uuid, DateTime<Utc>>,
    on_the_wire: BTreeSet<Uuid>,
    confirmed: BTreeSet<Uuid>,
    kept: BTreeSet<(String, Uuid)>,
    unreadable: BTreeSet<Uuid>,
    dropped: BTreeSet<Uuid>,
    taken_out: BTreeMap<Uuid, u32>,
    broken: Vec<String>,
}

/// Records the events of a run and its violations.
#[derive(Default)]
pub struct Ledger(Mutex<Book>);

impl Ledger {
    /// Records a violation.
    pub fn broken(&self, promise: String) {
        locked(&self.0).broken.push(promise);
    }

    /// Whether there are no violations so far.
    pub fn is_clean(&self) -> bool {
        locked(&self.0).broken.is_empty()
    }

    /// A service has committed a message.
    pub fn committed(&self, service: &'static str, row: &OutboxRow) {
        let (envelope, mood) = (row.envelope.clone(), services::mood_of(&row.envelope.name, &row.body));
        let mut book = locked(&self.0);
        if book.committed.insert(envelope.id, Committed { service, envelope: envelope.clone(), mood }).is_some() {
            book.broken.push(format!("{} {} is committed twice", envelope.name, envelope.id));
        }
    }

    /// A service has committed a delayed job.
    pub fn delayed(&self, envelope: &Envelope, due: DateTime<Utc>) {
        locked(&self.0).due.insert(envelope.id, due);
    }

    /// The broker has received a message.
    pub fn on_the_wire(&self, envelope: &Envelope) {
        let mut book = locked(&self.0);
        book.on_the_wire.insert(envelope.id);
        if !book.committed.contains_key(&envelope.id) {
            book.broken.push(format!("{} {} is published and was never committed", envelope.name, envelope.id));
        }
    }

    /// The broker has confirmed a message.
    pub fn confirmed(&self, envelope: &Envelope) {
        locked(&self.0).confirmed.insert(envelope.id);
    }

    /// A relay has removed a message from its outbox.
    pub fn removed(&self, id: Uuid) {
        let mut book = locked(&self.0);
        if !book.confirmed.contains(&id) {
            book.broken.push(format!("{id} is removed from the outbox and was never confirmed"));
        }
    }

    /// A message without an envelope has entered a queue.
    pub fn unreadable(&self, id: Uuid) {
        locked(&self.0).unreadable.insert(id);
    }

    /// A person has dropped a parked message.
    pub fn dropped(&self, id: Uuid) {
        locked(&self.0).dropped.insert(id);
    }

    /// A transaction takes out a message that was set aside.
    pub fn taken_out(&self, id: Uuid) {
        let mut book = locked(&self.0);
        let times = book.taken_out.entry(id).or_default();
        *times += 1;
        if *times == MOST_ATTEMPTS {
            book.broken.push(format!("{id} is taken out over and over"));
        }
    }

    /// A service has committed the handling of a message, or has set it aside.
    pub fn kept(&self, service: &str, id: Uuid) {
        locked(&self.0).kept.insert((service.to_owned(), id));
    }

    /// A message was acknowledged.
    pub fn acknowledged(&self, queue: &str, id: Uuid) {
        let service = queue.split('.').next().unwrap_or_default().to_owned();
        let mut book = locked(&self.0);
        if !book.kept.contains(&(service, id)) {
            book.broken.push(format!("{id} of {queue} is acknowledged and was neither handled nor set aside"));
        }
    }

    /// The violations at the end of a run, when the system is idle.
    pub fn complaints(&self, databases: &[&Database]) -> Vec<String> {
        let book = locked(&self.0);
        let mut complaints = book.broken.clone();
        for database in databases {
            let tables = database.tables();
            complaints.extend(leftovers(database.service, &tables));
            for handler in services::HANDLERS.iter().filter(|handler| handler.service == database.service) {
                complaints.extend(book.effects_of(handler, &tables));
            }
            complaints.extend(book.parked_of(database.service, &tables));
        }
        complaints
    }
}

/// Messages that still wait at the end.
fn leftovers(service: &str, tables: &Tables) -> Vec<String> {
    let waiting = tables.set_aside.values().filter(|kept| kept.state == State::Waiting).count();
    let left = [
        ("messages in the outbox", tables.outbox.len()),
        ("messages that wait", waiting),
        ("delayed jobs", tables.delayed.len()),
    ];
    left.iter().filter(|(_, many)| *many > 0).map(|(what, many)| format!("{service} has {many} {what}")).collect()
}

impl Book {
    /// Checks the effects of a handler.
    fn effects_of(&self, handler: &Handler, tables: &Tables) -> Vec<String> {
        let done: Vec<&Effect> = tables.effects.iter().filter(|effect| effect.handler == handler.name).collect();
        let wanted: Vec<&Committed> =
            self.committed.values().filter(|committed| handler.handles(&committed.envelope.name)).collect();
        let mut complaints = Vec::new();
        let mut times: BTreeMap<Uuid, u32> = BTreeMap::new();
        for effect in &done {
            *times.entry(effect.event.id).or_default() += 1;
            if self.due.get(&effect.event.id).is_some_and(|due| effect.at < *due) {
                complaints.push(format!("{} did {} before its time", handler.name, effect.event.id));
            }
        }
        let often = times.iter().filter(|(_, times)| **times > 1);
        complaints.extend(often.map(|(event, times)| format!("{} did {event} {times} times", handler.name)));
        complaints.extend(match handler.needs {
            Needs::Nothing => each_once(handler, &wanted, &times),
            Needs::Latest => latest_wins(handler, &wanted, &done),
            Needs::Order => in_order(handler, &wanted, &done, &self.dropped),
        });
        if handler.publishes {
            let caused = |committed: &&Committed| committed.service == handler.service;
            let published = self.committed.values().filter(caused).count();
            if published != done.len() {
                complaints.push(format!("{} did {} and published {published}", handler.name, done.len()));
            }
        }
        complaints
    }

    /// Checks that exactly the poison messages are parked.
    fn parked_of(&self, service: &str, tables: &Tables) -> Vec<String> {
        let mut complaints = Vec::new();
        let handled_by =
            |name: &str| services::HANDLERS.iter().any(|handler| handler.service == service && handler.handles(name));
        for kept in tables.set_aside.values().filter(|kept| kept.state == State::Parked) {
            let known = self.committed.get(&kept.message);
            let is_poison = known.is_some_and(|committed| committed.mood.is_poison());
            if !is_poison && !self.unreadable.contains(&kept.message) {
                complaints.push(format!("{} {} is parked: {}", kept.name, kept.message, kept.reason));
            }
        }
        let is_parked = |id: &Uuid| tables.set_aside.get(id).is_some_and(|kept| kept.state == State::Parked);
        for (id, committed) in &self.committed {
            let must_be = committed.mood.is_poison() && handled_by(&committed.envelope.name);
            // Later events of a subject wait behind a parked one; an older one may have been skipped.
            let may_be_elsewhere = services::needs_of(&committed.envelope.name) != Needs::Nothing;
            if must_be && !may_be_elsewhere && !is_parked(id) && !self.dropped.contains(id) {
                complaints.push(format!("{} {id} is poison and not parked", committed.envelope.name));
            }
        }
        let unreadable = self.unreadable.difference(&self.dropped);
        let lost = unreadable.filter(|id| service == services::CONSUMER && !is_parked(id));
        complaints.extend(lost.map(|id| format!("{id} cannot be read and is not parked")));
        complaints
    }
}

fn each_once(handler: &Handler, wanted: &[&Committed], times: &BTreeMap<Uuid, u32>) -> Vec<String> {
    let mut complaints = Vec::new();
    for committed in wanted {
        let (id, did) = (committed.envelope.id, times.get(&committed.envelope.id).copied().unwrap_or(0));
        if did == 0 && !committed.mood.is_poison() {
            complaints.push(format!("{} never did {} {id}", handler.name, committed.envelope.name));
        }
        if did > 0 && committed.mood.is_poison() {
            complaints.push(format!("{} did {id}, which is poison", handler.name));
        }
    }
    complaints
}

/// The sequences of each subject that a handler has processed, in its order.
fn by_subject<'a>(envelopes: impl Iterator<Item = &'a Envelope>) -> BTreeMap<String, Vec<i64>> {
    let mut numbers: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for envelope in envelopes {
        let subject = envelope.subject.clone().unwrap_or_default();
        numbers.entry(subject).or_default().push(envelope.sequence.unwrap_or(0));
    }
    numbers
}

fn latest_wins(handler: &Handler, wanted: &[&Committed], done: &[&Effect]) -> Vec<String> {
    let done = by_subject(done.iter().map(|effect| &effect.event));
    let sound = wanted.iter().filter(|committed| !committed.mood.is_poison());
    let wanted = by_subject(sound.map(|committed| &committed.envelope));
    let mut complaints = Vec::new();
    for (subject, wanted) in wanted {
        let did = done.get(&subject).cloned().unwrap_or_default();
        if !did.is_sorted() || did.last() != wanted.iter().max() {
            complaints.push(format!("{} did {did:?} of {subject}, the latest of {wanted:?}", handler.name));
        }
    }
    complaints
}

fn in_order(handler: &Handler, wanted: &[&Committed], done: &[&Effect], dropped: &BTreeSet<Uuid>) -> Vec<String> {
    let done = by_subject(done.iter().map(|effect| &effect.event));
    let not_dropped = || wanted.iter().filter(|committed| !dropped.contains(&committed.envelope.id));
    let poison = not_dropped().filter(|committed| committed.mood.is_poison());
    let poison = by_subject(poison.map(|committed| &committed.envelope));
    let mut complaints = Vec::new();
    for (subject, numbers) in by_subject(wanted.iter().map(|committed| &committed.envelope)) {
        if numbers.iter().collect::<BTreeSet<_>>().len() != numbers.len()
            || numbers.iter().max() != Some(&(numbers.len() as i64))
        {
            complaints.push(format!("the numbers of {subject} have gaps or come twice: {numbers:?}"));
        }
    }
    for (subject, mut wanted) in by_subject(not_dropped().map(|committed| &committed.envelope)) {
        wanted.sort_unstable();
        let first_poison = poison.get(&subject).and_then(|numbers| numbers.iter().min());
        wanted.retain(|number| first_poison.is_none_or(|poison| number < poison));
        let did = done.get(&subject).cloned().unwrap_or_default();
        if did != wanted {
            complaints.push(format!("{} did {did:?} of {subject}, to be done are {wanted:?}", handler.name));
        }
    }
    complaints
}
