//! A made-up network: people know most of their firm, some of its neighbours, and a few anywhere.

use std::collections::BTreeSet;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::{Network, people};

/// How many people a firm has.
const FIRM: usize = 20;

/// A network of this many people, numbered from 1; the result is deterministic.
pub fn network(size: u32) -> Network {
    let mut rng = StdRng::seed_from_u64(6);
    let size = size.max(2) as usize;
    let mut ties = BTreeSet::new();
    for one in 0..size {
        let firm = one / FIRM * FIRM;
        for _ in 0..4 {
            tie(&mut ties, one, firm + below(&mut rng, FIRM.min(size - firm)));
        }
        // Firms form a ring: one person in three knows someone in the next firm, one in twenty someone far away.
        if rng.random_bool(0.33) {
            tie(&mut ties, one, (firm + FIRM + below(&mut rng, FIRM)) % size);
        }
        if rng.random_bool(0.05) {
            tie(&mut ties, one, below(&mut rng, size));
        }
    }
    Network { people: (1..=size as u64).map(people::plausible).collect(), ties: ties.into_iter().collect() }
}

fn below(rng: &mut impl Rng, end: usize) -> usize {
    rng.random_range(0..end.max(1))
}

fn tie(ties: &mut BTreeSet<(usize, usize)>, one: usize, other: usize) {
    if one != other {
        ties.insert((one.min(other), one.max(other)));
    }
}
