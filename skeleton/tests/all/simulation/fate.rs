//! What befalls the replicas of a run from outside: crashes are made up for, stores and the broker go and come back,
//! replicas are replaced. After a while all of that ends, and everything must come to rest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use skeleton::store::{Decisions, Filter, State, Store};

use super::{
    memory::{Database, Memory},
    replicas::{Replica, Town},
    services::{Mood, Wish},
    time::locked,
    weather::Life,
};

/// Places for replicas, and what is in each now. One whose replica is being replaced is not there.
type Slots = Mutex<BTreeMap<usize, Option<Replica>>>;

/// The replicas of a run.
pub struct Fate {
    town: Arc<Town>,
    slots: Slots,
}

/// How many replicas of `contacts` there are; the rest are of `network`.
const PRODUCERS: usize = 2;

impl Fate {
    /// As many replicas as the seed wants.
    pub fn of(town: &Arc<Town>) -> Arc<Self> {
        let replicas = PRODUCERS + 2 + town.run.draw(2) as usize;
        let slots = (0..replicas).map(|slot| (slot, None)).collect();
        Arc::new(Self { town: town.clone(), slots: Mutex::new(slots) })
    }

    /// Lets things happen for a while, then nothing more.
    pub async fn befalls(self: Arc<Self>) {
        let town = &self.town;
        let until = town.run.elapsed() + Duration::from_millis(3000 + town.run.draw(9000));
        self.fill(0);
        while town.run.elapsed() < until {
            town.sleep(100).await;
            self.fill(700);
            if town.run.happens(town.weather.odds().away) {
                town.run.spawn(None, self.clone().outage(town.run.draw(4)));
            }
            if town.run.happens(town.weather.odds().restart) {
                let slot = town.run.draw(locked(&self.slots).len() as u64) as usize;
                town.run.spawn(None, self.clone().replace(slot));
            }
        }
        town.run.note(format_args!("all faults end"));
        town.weather.calm();
        for thing in 0..4 {
            self.set_away(thing, false);
        }
    }

    /// Goes on until nothing is left to do, and has been so for a while. False where it takes too long.
    pub async fn comes_to_rest(&self) -> bool {
        let limit = self.town.run.elapsed() + LONGEST;
        let mut quiet = 0;
        while quiet < 3 {
            self.town.sleep(2000).await;
            self.fill(0);
            quiet = if self.is_quiet() { quiet + 1 } else { 0 };
            if self.town.run.elapsed() > limit {
                return false;
            }
        }
        true
    }

    /// A person drops what is parked. Whether there was anything.
    pub async fn drop_parked(&self) -> bool {
        let mut dropped = 0;
        for database in [&self.town.contacts, &self.town.network] {
            let desk = Memory::connected(database, Life::of(&self.town.run, &self.town.weather, 0));
            let filter = Filter { state: Some(State::Parked), ..Filter::default() };
            let parked = desk.list_set_aside(&filter, 1000).await.expect("it is quiet");
            let parked: Vec<_> = parked.iter().map(|kept| kept.message).collect();
            parked.iter().for_each(|message| database.ledger().dropped(*message));
            dropped += desk.drop_parked(&parked, &skeleton::testing::somebody()).await.expect("it is quiet");
        }
        dropped > 0
    }

    /// Starts a replica wherever there is none, or with so many chances in a thousand not yet.
    fn fill(&self, not_yet: u64) {
        for (slot, replica) in locked(&self.slots).iter_mut() {
            let is_dead = replica.as_ref().is_some_and(|replica| self.town.run.has_crashed(replica.number));
            if is_dead {
                *replica = None;
            }
            if replica.is_none() && !self.town.run.happens(not_yet) {
                *replica = Some(self.start(*slot));
            }
        }
    }

    fn start(&self, slot: usize) -> Replica {
        let number = self.town.contacts.tables().next_number();
        if slot < PRODUCERS {
            Replica::of_contacts(&self.town, number)
        } else {
            Replica::of_network(&self.town, number)
        }
    }

    /// Stops a replica in order and starts another in its place.
    async fn replace(self: Arc<Self>, slot: usize) {
        let Some(replica) = locked(&self.slots).get_mut(&slot).and_then(Option::take) else { return };
        locked(&self.slots).remove(&slot);
        let number = replica.number;
        if !replica.stop(&self.town).await {
            self.town.run.crash(number);
        }
        locked(&self.slots).insert(slot, None);
    }

    /// Takes something away for a while.
    async fn outage(self: Arc<Self>, thing: u64) {
        self.set_away(thing, true);
        self.town.sleep(self.town.run.draw(2500)).await;
        self.set_away(thing, false);
    }

    fn set_away(&self, thing: u64, is_away: bool) {
        let name = ["contacts' store", "network's store", "the broker", "the topology"][thing as usize];
        self.town.run.note(format_args!("{name} is {}", if is_away { "away" } else { "there" }));
        match thing {
            0 => self.town.contacts.set_away(is_away),
            1 => self.town.network.set_away(is_away),
            2 => self.town.broker.set_away(is_away),
            _ => self.town.broker.set_unbound(is_away),
        }
    }

    fn is_quiet(&self) -> bool {
        let rests = |database: &Database| {
            let (tables, now) = (database.tables(), self.town.run.environment().now());
            let waits = tables.set_aside.values().any(|kept| kept.state == State::Waiting || tables.is_due(kept, now));
            tables.outbox.is_empty() && tables.delayed.is_empty() && !waits && tables.locks.is_empty()
        };
        locked(&self.town.wishes).is_empty()
            && self.town.broker.is_empty()
            && rests(&self.town.contacts)
            && rests(&self.town.network)
    }
}

/// How long everything may take to come to rest, by the run's own clock: what is handled with care, because it was
/// handed out often, is kept for ten minutes.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What is asked of `contacts` in a run.
pub fn wishes(town_draws: impl Fn(u64) -> u64) -> Vec<Wish> {
    let mood = || match town_draws(30) {
        0 => Mood::Refused,
        1 => Mood::Failing,
        _ => Mood::Sound,
    };
    let wish = |_| match town_draws(10) {
        0..3 => Wish::Remove { contact: town_draws(3), mood: mood() },
        3..6 => Wish::Change { contact: town_draws(2), mood: mood(), times: 1 + town_draws(2) },
        6..9 => Wish::Progress { import: 3 + town_draws(2), mood: mood() },
        _ => Wish::Import { delay_ms: town_draws(3000) as i64 },
    };
    (0..12 + town_draws(14)).map(wish).collect()
}
