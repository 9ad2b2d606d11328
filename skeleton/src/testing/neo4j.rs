//! Neo4j for tests: the free edition has one database, so its tests take turns.

use std::{env, fs::File, path::Path};

use chrono::TimeDelta;
use neo4rs::{Graph, query};

use super::{Provisioned, Servers, TestStore};
use crate::store::neo4j::Neo4j;

/// Every test process that uses the server waits for the lock on this file.
const TURN: &str = "kith-neo4j.lock";

impl TestStore for Neo4j {
    async fn provision(name: &str) -> Provisioned {
        check_may_be_emptied();
        let turn = tokio::task::spawn_blocking(take_turn).await.expect("waiting for a turn does not panic");
        let (url, password) = Servers::without_password(&Servers::from_env().neo4j);
        empty(&url, &password).await;
        let settings = vec![("url", url), ("password", password), ("connections", "8".to_owned())];
        Provisioned { settings, guard: Some(Box::new(turn)), name: name.to_owned() }
    }

    async fn let_pass(&self, by: TimeDelta) {
        let earlier = "MATCH (kept) WHERE kept:Delayed OR (kept:SetAside AND kept.state = 'waiting')
            SET kept.due_at = kept.due_at - duration({milliseconds: $by})";
        let earlier = query(earlier).param("by", by.num_milliseconds());
        self.execute(earlier).await.expect("the test's Neo4j answers");
    }

    async fn remove(provisioned: Provisioned) {
        drop(provisioned);
    }
}

/// Stops a test that would delete the graph of a system in use: its `servers.env` may be sourced in the shell.
fn check_may_be_emptied() {
    let of_tests = env::var_os("KITH_RUN").is_some_and(|run| Path::new(&run).join("for-tests").exists());
    assert!(
        of_tests || env::var_os("KITH_NEO4J_MAY_BE_EMPTIED").is_some(),
        "this test would delete everything in the Neo4j of KITH_NEO4J_URL, which scripts/test has not started. Run \
         `scripts/test --servers` and source .run/test/servers.env. For a Neo4j of your own: set KITH_NEO4J_MAY_BE_EMPTIED=1"
    );
}

fn take_turn() -> File {
    let path = env::temp_dir().join(TURN);
    let file = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.lock().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file
}

async fn empty(url: &str, password: &str) {
    let (user, place) = url.trim_start_matches("bolt://").split_once('@').expect("the address has a user");
    let graph = Graph::new(format!("bolt://{place}"), user, password).expect("the address is valid");
    let emptied = "MATCH (node) CALL (node) { DETACH DELETE node } IN TRANSACTIONS OF 5000 ROWS";
    graph.run(query(emptied)).await.expect("the test's Neo4j answers");
}
