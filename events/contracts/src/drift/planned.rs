//! The topology that the contracts name.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Binding, Contracts, Exchange, Queue};

/// Everything that the contracts name, each with a service that declares it.
#[derive(Default)]
pub(super) struct Planned<'a> {
    services: Vec<&'a str>,
    /// Callers that have no contract here: programs from outside.
    pub(super) outsiders: BTreeSet<&'a str>,
    pub(super) exchanges: BTreeMap<&'a str, (&'a str, &'a Exchange)>,
    pub(super) queues: BTreeMap<&'a str, (&'a str, &'a Queue)>,
    /// By the kind and name of the bound object.
    pub(super) bindings: BTreeMap<(&'a str, &'a str), (&'a str, &'a [Binding])>,
}

impl<'a> Planned<'a> {
    pub(super) fn of(contracts: &'a Contracts) -> Self {
        let callers = contracts.services.values().flat_map(|contract| &contract.callers);
        let outsiders = callers.map(|caller| &**caller).filter(|caller| !contracts.services.contains_key(*caller));
        let mut planned = Self { outsiders: outsiders.collect(), ..Self::default() };
        for contract in contracts.services.values() {
            let service = &*contract.service;
            planned.services.push(service);
            for exchange in &contract.topology.exchanges {
                planned.exchanges.insert(&exchange.name, (service, exchange));
            }
            for queue in &contract.topology.queues {
                planned.queues.insert(&queue.name, (service, queue));
            }
            let bound = contract.topology.bound();
            planned.bindings.extend(bound.map(|(kind, name, bindings)| ((kind, name), (service, bindings))));
        }
        planned
    }

    /// Whether a program from outside owns this, as `replies.demo` or `demo.dead`. Its bindings to our events are still
    /// reported.
    pub(super) fn is_of_an_outsider(&self, name: &str) -> bool {
        let mut parts = name.split('.');
        parts.by_ref().take(2).any(|part| self.outsiders.contains(part))
    }

    /// Whether this is a reply queue that an instance of an older build has declared and that disappears with it.
    pub(super) fn is_of_an_instance(&self, queue: &str) -> bool {
        let rest = self.services.iter().filter_map(|service| queue.strip_prefix(service));
        rest.into_iter().any(|rest| rest.starts_with(".replies."))
    }
}
