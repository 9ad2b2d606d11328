//! Captures the logs of a service for tests.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use serde_json::Value;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use crate::telemetry;

/// The log lines of this process since the first call of [`Logs::captured`], in the format of the services.
#[derive(Clone, Default)]
pub struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Captures the logs of this process. All tests of one program share them: search for a trace or an id.
    ///
    /// # Panics
    /// If the process already has another subscriber.
    pub fn captured() -> Self {
        static LOGS: OnceLock<Logs> = OnceLock::new();
        let capture = || {
            let logs = Self::default();
            let writer = logs.clone();
            let lines = telemetry::lines(move || writer.clone());
            tracing_subscriber::registry().with(telemetry::filter("info")).with(lines).init();
            logs
        };
        LOGS.get_or_init(capture).clone()
    }

    /// The lines that contain a text.
    pub fn containing(&self, text: &str) -> Vec<String> {
        let written = String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        written.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// The lines that were logged in spans of this trace.
    pub fn of_trace(&self, trace_id: &str) -> Vec<Value> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = written.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        lines.filter(|line| line["span"]["trace_id"] == trace_id).collect()
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
