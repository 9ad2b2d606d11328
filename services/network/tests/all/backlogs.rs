//! Handling many events at once has the same result as one after the other, and leaves the graph consistent.

use std::time::Duration;

use crate::people::*;
use accounts_events::{Erased, Registered};
use contacts_events::{ContactAddedV2, ContactChangedV2, ContactRemoved};
use skeleton::{
    Neo4j,
    store::{Filter, Store, Transaction, neo4j::query},
    testing::TestApp,
};
use tokio::time::Instant;
use uuid::Uuid;

const NAMES: [&str; 7] = ["Ada", "Bob", "Cleo", "Dan", "Eve", "Fay", "Gus"];

enum Event {
    Registered(Registered),
    Erased(Erased),
    Added(ContactAddedV2),
    Changed(ContactChangedV2),
    Removed(ContactRemoved),
}

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn id(&mut self) -> Uuid {
        Uuid::from_u128((self.below(1 << 30) as u128) << 64 | self.below(1 << 30) as u128)
    }

    fn some_names(&mut self) -> Vec<&'static str> {
        (0..self.below(4)).map(|_| NAMES[self.below(NAMES.len())]).collect()
    }
}

/// A history of people and contacts that are added, changed and removed.
fn history(seed: u64, length: usize) -> Vec<Event> {
    let mut dice = Dice(seed);
    let mut members: Vec<Registered> = Vec::new();
    let mut contacts: Vec<ContactAddedV2> = Vec::new();
    let mut events = Vec::new();
    while events.len() < length {
        let name = NAMES[dice.below(NAMES.len())];
        let is_member = members.iter().any(|member| member.name == name);
        match dice.below(20) {
            0..=2 if !is_member => {
                let member = Registered { account_id: dice.id(), ..registered(name) };
                members.push(member.clone());
                events.push(Event::Registered(member));
            }
            3 if members.len() > 3 => {
                let member = members.swap_remove(dice.below(members.len()));
                events.push(Event::Erased(erased(&member)));
            }
            4..=12 if !members.is_empty() => {
                let owner = &members[dice.below(members.len())];
                let contact = ContactAddedV2 { contact_id: dice.id(), ..added(owner, &dice.some_names()) };
                contacts.push(contact.clone());
                events.push(Event::Added(contact));
            }
            13..=16 if !contacts.is_empty() => {
                let contact = &contacts[dice.below(contacts.len())];
                events.push(Event::Changed(changed(contact, &dice.some_names())));
            }
            17..=19 if !contacts.is_empty() => {
                let contact = contacts.swap_remove(dice.below(contacts.len()));
                events.push(Event::Removed(removed(&contact)));
            }
            _ => {}
        }
    }
    events
}

async fn publish(app: &TestApp<Neo4j>, event: &Event) {
    let world = app.world();
    match event {
        Event::Registered(event) => world.publish(event, &world.envelope_for(event)).await,
        Event::Erased(event) => world.publish(event, &world.envelope_for(event)).await,
        Event::Added(event) => world.publish(event, &world.envelope_for(event)).await,
        Event::Changed(event) => world.publish(event, &world.envelope_for(event)).await,
        Event::Removed(event) => world.publish(event, &world.envelope_for(event)).await,
    };
}

/// Waits until all messages are handled. Longer than for one, because some wait for others and are retried.
async fn has_handled(app: &TestApp<Neo4j>, messages: usize) {
    let began = Instant::now();
    loop {
        let handled = count(app, "MATCH (entry:Inbox) RETURN count(entry)").await;
        if handled == messages as i64 {
            return;
        }
        let waiting = app.parts().store.list_set_aside(&Filter::default(), 10).await.unwrap();
        let reasons: Vec<_> = waiting.iter().map(|it| (&it.name, it.state, it.attempts, &it.reason)).collect();
        assert!(began.elapsed() < Duration::from_secs(150), "{handled} of {messages}; {reasons:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The relevant state of the graph, as lines.
async fn state(app: &TestApp<Neo4j>) -> Vec<String> {
    let parts = [
        "MATCH (person:Person) RETURN 'person ' + person.id + ' ' + coalesce(person.account_id, '-') AS line",
        "MATCH (contact:Contact) OPTIONAL MATCH (contact)-[:IS]->(person:Person)
         RETURN 'contact ' + contact.id + ' ' + contact.sequence + ' ' + coalesce(person.id, '-') AS line",
        "MATCH (identifier:Identifier) OPTIONAL MATCH (identifier)-[:OF]->(person:Person)
         RETURN 'identifier ' + identifier.key + ' ' + coalesce(person.id, '-') AS line",
        "MATCH (one:Person)-[tie:KNOWS]-(other:Person) WHERE one.id < other.id
         WITH one, other, tie, startNode(tie) = one AS is_forward
         RETURN 'tie ' + one.id + ' ' + CASE WHEN is_forward THEN tie.forward ELSE tie.backward END
            + ' ' + other.id + ' ' + CASE WHEN is_forward THEN tie.backward ELSE tie.forward END AS line",
    ];
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        lines.extend(app.parts().store.query::<String>(query(part)).await.unwrap());
    }
    lines.sort();
    lines
}

async fn one_by_one(events: &[Event]) -> Vec<String> {
    let app = start().await;
    for (place, event) in events.iter().enumerate() {
        publish(&app, event).await;
        has_handled(&app, place + 1).await;
    }
    is_sound(&app).await;
    let state = state(&app).await;
    app.finish().await;
    state
}

async fn at_once(events: &[Event]) -> Vec<String> {
    let app = start().await;
    publish(&app, &events[0]).await;
    has_handled(&app, 1).await;
    // A lock on the member delays the first event about them, and a backlog builds up behind it.
    let mut hold = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    hold.execute(query("MATCH (person:Person) SET person.is_held = true")).await.unwrap();
    for event in &events[1..] {
        publish(&app, event).await;
    }
    hold.rollback().await;
    has_handled(&app, events.len()).await;
    is_sound(&app).await;
    let state = state(&app).await;
    app.finish().await;
    state
}

async fn come_to_the_same(seed: u64) {
    let events = history(seed, 70);

    let (apart, together) = (one_by_one(&events).await, at_once(&events).await);

    assert_eq!(apart, together, "seed {seed}");
}

#[tokio::test]
async fn a_backlog_comes_to_the_same_as_one_event_after_the_other() {
    come_to_the_same(1).await;
}

#[tokio::test]
async fn another_backlog_comes_to_the_same_as_one_event_after_the_other() {
    come_to_the_same(20_261_122).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_at_once_leave_the_graph_sound() {
    let app = start().await;
    let events = history(3, 200);
    // Handled first: otherwise everything waits for the first accounts.
    let (first, rest) = events.split_at(50);
    for event in first {
        publish(&app, event).await;
    }
    has_handled(&app, first.len()).await;

    let replica = app.replica(network::service()).await;
    for event in rest {
        publish(&app, event).await;
    }
    has_handled(&app, events.len()).await;

    is_sound(&app).await;
    assert!(replica.stop().await);
    app.finish().await;
}
