//! External events of a run: crashed replicas are restarted, stores and the broker become unavailable and return,
//! replicas are replaced. After a while all faults end, and the system must become idle.

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

/// The slots of the replicas, with the replica in each. While a replica is being replaced, its slot is absent.
type Slots = Mutex<BTreeMap<usize, Option<Replica>>>;

/// The replicas of a run.
pub struct Fate {
    town: Arc<Town>,
    slots: Slots,
}

/// The number of replicas of `contacts`; the others are of `network`.
const PRODUCERS: usize = 2;

impl Fate {
    /// As many replicas as the seed draws.
    pub fn of(town: &Arc<Town>) -> Arc<Self> {
        let replicas = PRODUCERS + 2 + town.run.draw(2) as usize;
        let slots = (0..replicas).map(|slot| (slot, None)).collect();
        Arc::new(Self { town: town.clone(), slots: Mutex::new(slots) })
    }

    /// Injects events for a while, then ends all faults.
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

    /// Runs until the system has been idle for a while. Returns false if that takes too long.
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

    /// A person drops the parked messages. Returns whether there were any.
    pub async fn drop_parked(&self) -> bool {
        let mut dropped = 0;
        for database in [&self.town.contacts, &self.town.network] {
            let desk = Memory::connected(database, Life::of(&self.town.run, &self.town.weather, 0));
            let filter = Filter { state: Some(State::Parked), ..Filter::default() };
            let parked = desk.list_set_aside(&filter, 1000).await.expect("the store answers");
            let parked: Vec<_> = parked.iter().map(|kept| kept.message).collect();
            parked.iter().for_each(|message| database.ledger().dropped(*message));
            dropped += desk.drop_parked(&parked, &skeleton::testing::somebody()).await.expect("the store answers");
        }
        dropped > 0
    }

    /// Starts a replica in each empty slot, each with a chance of `not_yet` in a thousand to wait.
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

    /// Stops a replica in order and starts another in its slot.
    async fn replace(self: Arc<Self>, slot: usize) {
        let Some(replica) = locked(&self.slots).get_mut(&slot).and_then(Option::take) else { return };
        locked(&self.slots).remove(&slot);
        let number = replica.number;
        if !replica.stop(&self.town).await {
            self.town.run.crash(number);
        }
        locked(&self.slots).insert(slot, None);
    }

    /// Makes something unavailable for a while.
    async fn outage(self: Arc<Self>, thing: u64) {
        self.set_away(thing, true);
        self.town.sleep(self.town.run.draw(2500)).await;
        self.set_away(thing, false);
    }

    fn set_away(&self, thing: u64, is_away: bool) {
        let name = ["contacts' store", "network's store", "the broker", "the topology"][thing as usize];
        self.town.run.note(format_args!("{name} is {}", if is_away { "away" } else { "back" }));
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

/// How long the system may take to become idle, by the run's own clock: the attempts of suspected messages are kept for
/// ten minutes.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The commands to `contacts` in a run.
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
