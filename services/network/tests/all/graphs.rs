//! Well-known graphs, loaded as address books, compared with published distances.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use crate::people::*;
use accounts_events::Registered;
use futures::future::join_all;
use serde_json::Value;
use skeleton::{Neo4j, testing::TestApp, testing::test_data};
use tokio::time::Instant;

/// A graph and its known distances.
struct Graph {
    ties: Vec<(String, String)>,
    truth: Value,
}

impl Graph {
    /// A graph of the test data, if present.
    fn read(name: &str, file: &str) -> Option<Self> {
        let folder = test_data(&format!("graphs/{name}"))?;
        let truth = serde_json::from_str(&fs::read_to_string(folder.join("truth.json")).unwrap()).unwrap();
        Some(Self { ties: ties(&folder.join(file)), truth })
    }
}

fn ties(file: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("source,"));
    let separator = if file.extension().is_some_and(|ending| ending == "csv") { ',' } else { ' ' };
    lines
        .map(|line| {
            let mut parts = line.split(separator);
            (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned())
        })
        .collect()
}

/// Makes everyone in a graph a member, whose address book has their neighbours in the graph.
async fn load(app: &TestApp<Neo4j>, ties: &[(String, String)]) -> HashMap<String, Registered> {
    let mut members: HashMap<String, Registered> = HashMap::new();
    for name in ties.iter().flat_map(|(one, other)| [one, other]) {
        let place = members.len();
        members.entry(name.clone()).or_insert_with(|| Registered {
            discoverable: true,
            email: email(&format!("member{place}")),
            ..registered(name)
        });
    }
    let joining: Vec<_> = members.values().collect();
    for some in joining.chunks(256) {
        join_all(
            some.iter().map(async |member| app.world().publish(*member, &app.world().envelope_for(*member)).await),
        )
        .await;
    }
    for some in ties.chunks(256) {
        join_all(some.iter().map(async |(one, other)| {
            let contact = contacts_events::ContactAddedV2 {
                emails: vec![members[other].email.clone()],
                ..added(&members[one], &[])
            };
            app.world().publish(&contact, &app.world().envelope_for(&contact)).await
        }))
        .await;
    }
    let began = Instant::now();
    loop {
        let taken_in = count(app, "MATCH (contact:Contact) RETURN count(contact)").await;
        if usize::try_from(taken_in).unwrap() == ties.len() {
            return members;
        }
        assert!(began.elapsed() < Duration::from_secs(900), "{taken_in} of {} contacts", ties.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn agrees_with_the_truth(name: &str, file: &str) {
    let Some(graph) = Graph::read(name, file) else { return };
    let app = start().await;

    let members = load(&app, &graph.ties).await;

    let mut people_at = [0u64; 7];
    for member in members.values() {
        for (degree, people) in (1..).zip(degrees(&app, member).await) {
            people_at[degree] += u64::from(people);
        }
    }
    let histogram = &graph.truth["distances"]["histogram"];
    for degree in 1..=6 {
        let pairs = histogram[degree.to_string()].as_u64().unwrap_or(0);
        assert_eq!(people_at[degree], 2 * pairs, "{name}: pairs at distance {degree}");
    }
    for hop in graph.truth["khop"].as_array().unwrap() {
        let found = degrees(&app, &members[hop["node"].as_str().unwrap()]).await;
        let expected: Vec<u64> = ["at_1", "at_2", "at_3"].map(|at| hop[at].as_u64().unwrap()).to_vec();
        assert!(found.iter().map(|people| u64::from(*people)).take(3).eq(expected), "{name}: {hop}");
    }
    let pairs = graph.truth["pairs"].as_array().unwrap();
    for some in pairs.chunks(32) {
        join_all(some.iter().map(async |pair| {
            let (a, b) = (&members[pair["a"].as_str().unwrap()], &members[pair["b"].as_str().unwrap()]);
            let found = paths(&app, a, &b.email, None).await.map(|view| u64::from(view.shortest.length));
            let expected = pair["dist"].as_u64().filter(|distance| *distance <= 6);
            assert_eq!(found.map_err(|problem| problem.status), expected.ok_or(404), "{name}: {pair}");
        }))
        .await;
    }
    app.finish().await;
}

#[tokio::test]
async fn the_karate_club_is_as_far_apart_as_it_is() {
    agrees_with_the_truth("karate", "karate.edges.csv").await;
}

#[tokio::test]
async fn the_families_of_florence_are_as_far_apart_as_they_were() {
    agrees_with_the_truth("florentine", "florentine.edges.csv").await;
}

#[tokio::test]
async fn the_women_of_the_south_are_as_far_apart_as_they_were() {
    agrees_with_the_truth("davis", "davis.edges.csv").await;
}

/// 4,039 members with 176,468 contacts: prints how long loading them takes, and requests afterwards.
#[tokio::test]
#[ignore = "takes minutes: cargo test --workspace --test network-tests graphs -- --ignored --nocapture"]
async fn a_large_network_is_loaded_and_asked() {
    let Some(graph) = Graph::read("facebook_combined", "facebook_combined.txt") else { return };
    let mut ties = graph.ties.clone();
    ties.extend(graph.ties.iter().map(|(one, other)| (other.clone(), one.clone())));
    ties.truncate(std::env::var("KITH_TIES").ok().and_then(|ties| ties.parse().ok()).unwrap_or(ties.len()));
    let app = start().await;

    let began = Instant::now();
    let members = load(&app, &ties).await;
    let took = began.elapsed();

    println!("{} members and {} contacts in {took:?}", members.len(), ties.len());
    for hop in graph.truth["khop"].as_array().unwrap().iter().take(5) {
        let Some(member) = members.get(hop["node"].as_str().unwrap()) else { continue };
        let began = Instant::now();
        let found = degrees(&app, member).await;
        println!("degrees in {:?}: {found:?}, {hop}", began.elapsed());
    }
    for pair in graph.truth["pairs"].as_array().unwrap().iter().take(10) {
        let (Some(a), Some(b)) = (members.get(pair["a"].as_str().unwrap()), members.get(pair["b"].as_str().unwrap()))
        else {
            continue;
        };
        let began = Instant::now();
        let found = paths(&app, a, &b.email, None).await.map(|view| (view.shortest.length, view.best.length));
        println!("paths in {:?}: {:?}, {pair}", began.elapsed(), found.map_err(|problem| problem.kind));
    }
    app.finish().await;
}
