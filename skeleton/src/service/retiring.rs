//! Warnings about message versions that the service reads and that have a retirement date.

use chrono::NaiveTime;
use events::catalogue::{self, Entry};
use metrics::gauge;
use tracing::warn;

use super::Service;
use crate::store::Store;

impl<S: Store> Service<S> {
    /// Logs the retirement dates of the messages that the service reads, and sets
    /// `message_version_retires_timestamp_seconds` to the end of that day: an alert compares it with the current time.
    pub(super) fn warn_of_retirements(&self) {
        let jobs = self.jobs.iter().flat_map(|jobs| &jobs.reads);
        for reads in self.subscriptions.reads.iter().chain(&self.answers.reads).chain(jobs) {
            let Some(date) = catalogue::find(reads.message).and_then(Entry::retires) else { continue };
            let end = date.succ_opt().unwrap_or(date).and_time(NaiveTime::MIN).and_utc();
            gauge!("message_version_retires_timestamp_seconds", "name" => reads.message).set(end.timestamp() as f64);
            warn!(message.name = reads.message, retires = %date, "the service reads a message version that will be retired: migrate to the newest");
        }
    }
}
