//! A separate store for each test.

use std::future::Future;

use chrono::TimeDelta;

use crate::store::Store;

/// A store that was created for one test.
pub struct Provisioned {
    /// Settings of the section `store`.
    pub settings: Vec<(&'static str, String)>,
    /// A value that must live as long as the test, such as a lock.
    pub guard: Option<Box<dyn std::any::Any + Send>>,
    /// The name of what to remove at the end.
    pub name: String,
}

/// A kind of store that tests can create.
pub trait TestStore: Store {
    /// Creates a store.
    fn provision(name: &str) -> impl Future<Output = Provisioned> + Send;

    /// Shortens the waits in the store by this much: delayed jobs, and messages to retry. A store without delays does
    /// nothing.
    fn let_pass(&self, _by: TimeDelta) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Removes the store.
    fn remove(provisioned: Provisioned) -> impl Future<Output = ()> + Send;
}

#[cfg(feature = "postgres")]
mod postgres {
    use chrono::TimeDelta;
    use tokio_postgres::NoTls;

    use super::{Provisioned, TestStore};
    use crate::{store::postgres::Postgres, testing::Servers};

    impl TestStore for Postgres {
        async fn provision(name: &str) -> Provisioned {
            let name = name.replace('-', "_");
            as_admin(&format!("create database {name}")).await;
            let (url, password) = Servers::without_password(&Servers::from_env().postgres);
            let (place, _) = url.rsplit_once('/').unwrap_or((&url, ""));
            let settings =
                vec![("url", format!("{place}/{name}")), ("password", password), ("connections", "8".to_owned())];
            Provisioned { settings, guard: None, name }
        }

        async fn let_pass(&self, by: TimeDelta) {
            let seconds = by.as_seconds_f64();
            for sql in [
                "update skeleton.delayed set due_at = due_at - make_interval(secs => $1)",
                "update skeleton.set_aside set due_at = due_at - make_interval(secs => $1) where state = 'waiting'",
            ] {
                self.execute(sql, &[&seconds]).await.expect("the test's Postgres answers");
            }
        }

        async fn remove(provisioned: Provisioned) {
            as_admin(&format!("drop database if exists {} with (force)", provisioned.name)).await;
        }
    }

    async fn as_admin(sql: &str) {
        let (client, connection) =
            tokio_postgres::connect(&Servers::from_env().postgres, NoTls).await.expect("the test's Postgres answers");
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        drop(client);
        // The statement has already reported any error.
        let _ = connection.await;
    }
}
