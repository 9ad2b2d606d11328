//! The test harness: a service in the test's own process, on real servers, isolated by names.
//!
//! Each test has its own virtual host on the broker and its own database, so tests run in parallel. (Neo4j's free
//! edition has one database: its tests take turns.) The service uses its own user of the broker, with the rights of its
//! topology, so a missing right fails a test.
//!
//! ```ignore
//! let app = TestApp::start(contacts::service(), &[]).await;
//! app.receives(&accounts_events::samples::erased()).await;
//! app.published_once::<ContactRemoved>(|event| event.owner_id == owner).await;
//! app.finish().await;
//! ```

mod app;
mod clock;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
mod links;
mod logs;
mod neighbour;
#[cfg(feature = "neo4j")]
mod neo4j;
mod past;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod proxy;
mod servers;
mod smtp;
mod spy;
mod stores;
mod visits;
mod world;

pub use app::TestApp;
pub use clock::TestClock;
pub use links::Links;
pub use logs::Logs;
pub use neighbour::Neighbour;
#[cfg(feature = "postgres")]
pub use postgres::{MAINTENANCE, connect_as_admin};
pub use process::Process;
pub use proxy::{Fault, Proxy};
pub use servers::Servers;
pub use smtp::{ReceivedMail, SmtpSink};
pub use stores::{Provisioned, TestStore};
pub use visits::{Visit, Visits};
pub use world::{PASSWORD, World, broker_password};

use std::{future::Future, io::Write as _, path::PathBuf, time::Duration};

use tokio::time::Instant;

use crate::store::Signed;

/// How long a test waits for an expected change: on a busy machine, servers may stall for half a minute.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The operator who decides about parked messages in tests.
///
/// # Panics
/// Never: the name is valid.
pub fn somebody() -> Signed {
    Signed::try_new("a test", "").expect("the name is valid")
}

/// Waits until a condition holds.
///
/// # Panics
/// If it does not hold in time; the text is the last state.
pub async fn eventually<T, Out>(what: &str, mut look: impl FnMut() -> Out) -> T
where
    Out: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(Instant::now() < deadline, "{what}: not within {} s; last state: {seen}", TIMEOUT.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A folder or file of external test data, if it exists. If it does not, the test counts as skipped: its name goes to
/// stderr and to the file in `KITH_SKIPPED`, which `scripts/test` shows at the end.
pub fn test_data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("KITH_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")), PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    skipped(&format!("{} does not exist (set KITH_TEST_DATA)", found.display()));
    None
}

fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("skipped: {test}: {why}\n");
    // Not `println!`: its output is shown only if the test fails.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("KITH_SKIPPED") {
        let opened = std::fs::File::options().create(true).append(true).open(&file);
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("KITH_SKIPPED: {}: {error}", file.display()));
    }
}
