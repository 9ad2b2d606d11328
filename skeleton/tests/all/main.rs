//! Every promise of the skeleton, on real servers.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod ahead;
mod conformance;
mod databases;
mod delays;
mod dropping;
mod elasticsearch;
mod failures;
mod history;
mod hostile;
mod http;
mod http_answers;
mod http_client;
mod jobs;
mod leases;
mod messaging;
mod neo4j;
mod neo4j_delays;
mod neo4j_sagas;
mod order;
mod panics;
mod parked;
mod partners;
mod pauses;
mod pipelining;
mod probe;
mod processes;
mod proxy;
mod relay;
mod replicas;
mod requests;
mod rhythms;
mod rights;
mod sagas;
mod schedules;
mod simulation;
mod topology;
mod unkeepable;
mod versions;
