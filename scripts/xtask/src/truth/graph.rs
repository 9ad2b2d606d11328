//! A graph in memory: the distances between people.

use std::collections::{BTreeMap, VecDeque};

/// Who knows whom.
pub type Graph = BTreeMap<u64, Vec<u64>>;

/// Reads `a b` on each line: two people who know each other.
pub fn read_graph(text: &str) -> Graph {
    let mut graph = Graph::new();
    for line in text.lines() {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if let [one, other] = numbers[..]
            && one != other
        {
            graph.entry(one).or_default().push(other);
            graph.entry(other).or_default().push(one);
        }
    }
    graph
}

/// The distance of all people from one, by breadth-first search.
fn distances(graph: &Graph, from: u64) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::from([(from, 0)]);
    let mut next = VecDeque::from([from]);
    while let Some(one) = next.pop_front() {
        let further = found[&one] + 1;
        for other in &graph[&one] {
            found.entry(*other).or_insert_with(|| {
                next.push_back(*other);
                further
            });
        }
    }
    found
}

/// How many people are at each distance, from one to six.
pub fn degrees(graph: &Graph, from: u64) -> Vec<u64> {
    let mut people = vec![0; 6];
    for distance in distances(graph, from).values() {
        if let Some(count) = distance.checked_sub(1).and_then(|place| people.get_mut(place as usize)) {
            *count += 1;
        }
    }
    people
}

/// Pairs from all over the graph, with their distances.
pub fn every_so_often(graph: &Graph, count: usize) -> Vec<(u64, u64, Option<u32>)> {
    let numbers: Vec<u64> = graph.keys().copied().collect();
    let sources = numbers.iter().step_by((numbers.len() / 10).max(1));
    let mut pairs = Vec::new();
    for one in sources {
        let known = distances(graph, *one);
        let others = numbers.iter().step_by((numbers.len() * 10 / count.max(1)).max(1)).filter(|other| *other != one);
        pairs.extend(others.map(|other| (*one, *other, known.get(other).copied())));
    }
    pairs
}
