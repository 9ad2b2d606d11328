//! Every promise of the skeleton, on real servers.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected shall fail")]

mod abandoned;
mod ahead;
mod auth;
mod conformance;
mod databases;
mod delays;
mod elasticsearch;
mod expiry;
mod failures;
mod history;
mod hostile;
mod housekeeping;
mod http;
mod http_answers;
mod http_client;
mod idempotency;
mod jobs;
mod leases;
mod messaging;
mod neo4j;
mod neo4j_delays;
mod neo4j_sagas;
mod older_builds;
mod order;
mod panics;
mod parked;
mod partners;
mod pipelining;
mod probe;
mod processes;
mod proxy;
mod read_only;
mod readiness;
mod relay;
mod replicas;
mod requests;
mod rhythms;
mod rights;
mod sagas;
mod schedules;
mod simulation;
mod topology;
mod versions;
