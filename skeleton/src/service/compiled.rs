//! A service's generic code, compiled with this crate for each kind of store.
//!
//! It is generic over the store, so the compiler would compile it again in every program and every test of every
//! service. With these instances it does not: rustc shares generics between crates at low optimisation levels, as in
//! the profile `dev`. These functions are not called.

use std::{future::Future, pin::Pin};

use super::{Exit, Service};
use crate::Jobs;

type Run = Pin<Box<dyn Future<Output = Exit>>>;

/// A service on Postgres, with all features.
#[cfg(feature = "postgres")]
pub fn on_postgres(plan: crate::store::postgres::PostgresBuilder) -> Run {
    Box::pin(Service::<crate::Postgres>::named("").store(plan).jobs(Jobs::new()).sagas().run())
}

/// A service on Neo4j.
#[cfg(feature = "neo4j")]
pub fn on_neo4j(plan: crate::store::neo4j::Neo4jBuilder) -> Run {
    Box::pin(Service::<crate::Neo4j>::named("").store(plan).sagas().run())
}

/// A service on Elasticsearch.
#[cfg(feature = "elasticsearch")]
pub fn on_elasticsearch(plan: crate::store::elasticsearch::ElasticsearchBuilder) -> Run {
    Box::pin(Service::<crate::Elasticsearch>::named("").read_model_store(plan).run())
}
