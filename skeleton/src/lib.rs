//! What every service of Kith shares, so that a service contains only its domain.
//!
//! A service is an assembly: `Service::of(&PACKAGE).store(..).consumes(..).answers(..).jobs(..)`. From that the
//! skeleton derives the queues it needs, its rights on the broker, its settings and its commands.
//!
//! Data flows one way: `http | consumers | requests | jobs → domain → store → outbox → broker`.

#![cfg_attr(
    not(all(feature = "elasticsearch", feature = "neo4j", feature = "postgres")),
    allow(dead_code, unused_imports, reason = "some parts are used by one store only")
)]

mod causes;
pub mod config;
mod environment;
pub mod expiry;
pub mod failure;
pub mod http;
mod lease;
#[cfg(feature = "mail")]
pub mod mail;
pub mod messaging;
pub mod paging;
mod panics;
pub mod parked;
pub mod partner;
pub mod rebuild;
pub mod saga;
pub mod schedule;
pub mod service;
pub mod stop;
pub mod store;
mod supervision;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
mod trouble;

pub use config::{Secret, Settings, SettingsError};
pub use environment::{Clock, Environment, Rng};
pub use failure::{Failure, HandlerResult, Problem, Refusal, StoreError};
pub use messaging::handlers::{ReadContext, RequestHandlers, Subscriptions};
pub use messaging::jobs::{Jobs, Progress};
pub use messaging::requests::{RequestOptions, Requests};
pub use saga::{Saga, SagaState};
pub use schedule::{Missed, Schedules};
pub use service::{App, Exit, Housekeeping, Sections, Service};
#[cfg(feature = "elasticsearch")]
pub use store::elasticsearch::{Elasticsearch, Index};
#[cfg(feature = "neo4j")]
pub use store::neo4j::Neo4j;
#[cfg(feature = "postgres")]
pub use store::postgres::Postgres;
pub use store::{Delay, Fenced, JobSteps, Lease, Leases, Publish, ServiceContext};
