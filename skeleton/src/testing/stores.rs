//! A store of its own for each test.

use std::future::Future;

use chrono::TimeDelta;

use crate::store::Store;

/// A store that was made for one test.
pub struct Provisioned {
    /// Settings of the section `store`.
    pub settings: Vec<(&'static str, String)>,
    /// What must live as long as the test: a lock, for instance.
    pub guard: Option<Box<dyn std::any::Any + Send>>,
    /// What to take away in the end.
    pub name: String,
}

/// A kind of store that tests can have one of.
pub trait TestStore: Store {
    /// Makes one.
    fn provision(name: &str) -> impl Future<Output = Provisioned> + Send;

    /// Lets what waits in the store wait for so much less: delayed jobs, and messages that are tried again. A store in
    /// which nothing is delayed does nothing.
    fn let_pass(&self, _by: TimeDelta) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Takes it away.
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
        // Its end tells nothing that the statement has not told.
        let _ = connection.await;
    }
}
