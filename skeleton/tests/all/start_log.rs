//! The log output while a service starts.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use skeleton::{telemetry, testing::TestApp};
use tracing_subscriber::fmt::MakeWriter;

use crate::probe;

/// The lines of this process, including those of other tests.
#[derive(Clone, Default)]
struct SubjectCursors(Arc<Mutex<Vec<u8>>>);

impl SubjectCursors {
    fn of(&self, word: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

impl Write for SubjectCursors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for SubjectCursors {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_queue_that_is_looked_for_and_not_there_is_no_error_in_the_log() {
    let lines = SubjectCursors::default();
    let writer = lines.clone();
    tracing_subscriber::fmt().with_env_filter(telemetry::filter("info")).with_ansi(false).with_writer(writer).init();

    let app = TestApp::start(probe::service(), &[]).await;

    // It has looked for partitions of its events that an earlier version may have had.
    let vhost = app.world().vhost().to_owned();
    tracing::info!("looked at {vhost}");
    assert_eq!(lines.of(&format!("looked at {vhost}")).len(), 1, "no log line is captured");
    let about_it = lines.of(&format!("in vhost '{vhost}'"));
    assert!(about_it.is_empty(), "{about_it:#?}");
}
