//! The log output while a service starts.

use skeleton::testing::{Logs, TestApp};

use crate::probe;

#[tokio::test]
async fn a_queue_that_is_looked_for_and_not_there_is_no_error_in_the_log() {
    let logs = Logs::captured();

    let app = TestApp::start(probe::service(), &[]).await;

    // It has looked for partitions of its events that an earlier version may have had.
    let vhost = app.world().vhost().to_owned();
    tracing::info!("looked at {vhost}");
    assert_eq!(logs.containing(&format!("looked at {vhost}")).len(), 1, "no log line is captured");
    let about_it = logs.containing(&format!("in vhost '{vhost}'"));
    assert!(about_it.is_empty(), "{about_it:#?}");
}
