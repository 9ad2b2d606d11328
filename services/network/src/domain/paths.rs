//! The best path: the one with the largest product of strengths, within a maximum number of steps.

use std::collections::HashMap;

use skeleton::Refusal;
use uuid::Uuid;

use super::STRONGEST;

/// The most steps of a path.
pub const STEPS: u32 = 6;

/// Products that differ by less are equal: the order of multiplication changes the last digits.
const SAME: f64 = 1.0 + 1e-12;

/// A chain of people and the product of its ties' strengths.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// From the caller to the target.
    pub people: Vec<Uuid>,
    /// The product of the ties' strengths.
    pub strength: f64,
}

/// An invalid number of steps.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("max is the number of steps, 1 to {STEPS}")]
pub struct StepsRefusal;

impl Refusal for StepsRefusal {
    fn status(&self) -> u16 {
        400
    }

    fn code(&self) -> &'static str {
        "wrong-max"
    }

    fn field(&self) -> Option<&'static str> {
        Some("max")
    }
}

/// The maximum number of steps: the given one, or the largest allowed.
///
/// # Errors
/// If it is not 1 to 6.
pub fn steps(asked: Option<u32>) -> Result<u32, StepsRefusal> {
    let asked = asked.unwrap_or(STEPS);
    if (1..=STEPS).contains(&asked) { Ok(asked) } else { Err(StepsRefusal) }
}

impl Route {
    /// The number of steps.
    pub fn length(&self) -> u32 {
        self.people.len().saturating_sub(1) as u32
    }
}

/// A person that a step of the search has reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// The person.
    pub person: Uuid,
    /// The best product of strengths on a path to them.
    pub product: f64,
    /// The previous person on that path.
    pub via: Uuid,
}

/// A search that proceeds step by step from the people reached last.
///
/// The search is exact: a path whose product could still win is never left out. Of equal products the one with fewer
/// steps wins. A path that reaches a person again wins only if it is better, so no path has a cycle.
pub struct BestPath {
    to: Uuid,
    best: Route,
    products: HashMap<Uuid, f64>,
    /// For each step, the people reached, and from whom.
    steps: Vec<HashMap<Uuid, Reached>>,
}

impl BestPath {
    /// A search for a better path than a known one.
    pub fn better_than(known: Route) -> Option<Self> {
        let (from, to) = (*known.people.first()?, *known.people.last()?);
        let start = Reached { person: from, product: 1.0, via: from };
        let (products, steps) = (HashMap::from([(from, 1.0)]), vec![HashMap::from([(from, start)])]);
        Some(Self { to, best: known, products, steps })
    }

    /// The people from whom another step could still lead to a better path, with the products of the paths to them.
    pub fn frontier(&self) -> Vec<(Uuid, f64)> {
        let reached = self.steps.last().into_iter().flat_map(HashMap::values);
        reached.filter(|reached| self.can_win(reached)).map(|reached| (reached.person, reached.product)).collect()
    }

    fn can_win(&self, reached: &Reached) -> bool {
        reached.person != self.to && reached.product * STRONGEST > self.floor()
    }

    /// The bound that a product must exceed.
    pub fn floor(&self) -> f64 {
        self.best.strength * SAME
    }

    /// Adds the people that the next step has reached.
    pub fn step(&mut self, reached: Vec<Reached>) {
        let mut step = HashMap::new();
        for reached in reached {
            let before = self.products.get(&reached.person).copied().unwrap_or(0.0);
            if reached.product > before * SAME {
                self.products.insert(reached.person, reached.product);
                step.insert(reached.person, reached);
            }
        }
        let arrived = step.get(&self.to).copied();
        self.steps.push(step);
        if let Some(arrived) = arrived.filter(|arrived| arrived.product > self.floor()) {
            self.best = Route { people: self.way_to(arrived), strength: arrived.product };
        }
    }

    fn way_to(&self, last: Reached) -> Vec<Uuid> {
        let mut people = vec![last.person];
        let mut via = last.via;
        for step in self.steps.iter().rev().skip(1) {
            people.push(via);
            via = step.get(&via).map_or(via, |reached| reached.via);
        }
        people.reverse();
        people
    }

    /// The best path found.
    pub fn into_best(self) -> Route {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ties in both directions.
    fn search(ties: &[(u128, u128, f64)], known: &[u128], strength: f64, max: u32) -> Route {
        let id = Uuid::from_u128;
        let known = Route { people: known.iter().map(|person| id(*person)).collect(), strength };
        let mut search = BestPath::better_than(known).unwrap();
        for _ in 0..max {
            let mut reached: HashMap<Uuid, Reached> = HashMap::new();
            for (via, product) in search.frontier() {
                for (a, b, strength) in
                    ties.iter().flat_map(|(a, b, strength)| [(*a, *b, strength), (*b, *a, strength)])
                {
                    let candidate = Reached { person: id(b), product: product * strength, via };
                    if id(a) == via && reached.get(&id(b)).is_none_or(|other| other.product < candidate.product) {
                        reached.insert(id(b), candidate);
                    }
                }
            }
            search.step(reached.into_values().collect());
        }
        search.into_best()
    }

    #[test]
    fn a_longer_path_of_strong_ties_beats_a_short_one_of_weak_ties() {
        let ties = [(1, 2, 0.5), (1, 3, 0.8), (3, 4, 0.8), (4, 2, 0.8)];

        let best = search(&ties, &[1, 2], 0.5, 6);

        assert_eq!(best.people, [1, 3, 4, 2].map(Uuid::from_u128));
        assert!((best.strength - 0.512).abs() < 1e-9);
    }

    #[test]
    fn a_path_of_too_many_steps_does_not_count() {
        let ties = [(1, 2, 0.5), (1, 3, 0.8), (3, 4, 0.8), (4, 2, 0.8)];

        assert_eq!(search(&ties, &[1, 2], 0.5, 2).people.len(), 2);
    }

    #[test]
    fn of_equal_products_the_path_with_fewer_steps_stays() {
        let ties = [(1, 9, 0.64), (9, 2, 0.64), (1, 3, 0.8), (3, 4, 0.8), (4, 5, 0.8), (5, 2, 0.8)];

        assert_eq!(search(&ties, &[1, 9, 2], 0.64 * 0.64, 6).people, [1, 9, 2].map(Uuid::from_u128));
    }

    #[test]
    fn the_search_agrees_with_trying_every_path() {
        let mut seed = 7u64;
        let mut next = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for _ in 0..200 {
            let mut ties: Vec<(u128, u128, f64)> = vec![(1, 2, 0.3)];
            for _ in 0..12 {
                let (a, b) = (u128::from(next(7)) + 1, u128::from(next(7)) + 1);
                if a != b && !ties.iter().any(|(c, d, _)| (*c, *d) == (a, b) || (*d, *c) == (a, b)) {
                    ties.push((a, b, (next(8) + 1) as f64 / 10.0));
                }
            }
            for max in 1..=6 {
                let best = search(&ties, &[1, 2], 0.3, max);
                let tried = strongest(&ties, &[1], max);
                assert!((best.strength - tried).abs() < 1e-9, "{ties:?} within {max}: {} or {tried}", best.strength);
                assert!(best.length() <= max);
            }
        }
    }

    fn strongest(ties: &[(u128, u128, f64)], way: &[u128], steps: u32) -> f64 {
        let here = way[way.len() - 1];
        if here == 2 {
            return 1.0;
        }
        if steps == 0 {
            return 0.0;
        }
        let both = ties.iter().flat_map(|(a, b, strength)| [(*a, *b, strength), (*b, *a, strength)]);
        let onward = both.filter(|(a, b, _)| *a == here && !way.contains(b));
        onward.map(|(_, b, strength)| strength * strongest(ties, &[way, &[b]].concat(), steps - 1)).fold(0.0, f64::max)
    }

    #[test]
    fn paths_have_one_to_six_steps() {
        assert_eq!((steps(None), steps(Some(1)), steps(Some(6))), (Ok(6), Ok(1), Ok(6)));
        assert_eq!((steps(Some(0)), steps(Some(7))), (Err(StepsRefusal), Err(StepsRefusal)));
    }
}
