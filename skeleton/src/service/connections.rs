//! The connections to the broker.

use super::assembly::Assembled;
use crate::{messaging::rabbit::Link, stop::Stop, store::Store};

/// The connections to the broker that a service uses.
pub(super) struct Connections {
    pub publishing: Link,
    pub consuming: Link,
    /// For requests and replies, if the service sends any: a queue of events that does not respond may block the
    /// connection that publishes.
    requests: Option<Link>,
}

impl Connections {
    pub fn open<S: Store>(parts: &Assembled<S>, exchanges_requests: bool, stop: &Stop) -> Self {
        Self {
            publishing: parts.sending_link("publishing", stop),
            consuming: parts.link("consuming", stop),
            requests: exchanges_requests.then(|| parts.sending_link("requests", stop)),
        }
    }

    /// The connection for requests and replies.
    pub fn asking(&self) -> &Link {
        self.requests.as_ref().unwrap_or(&self.publishing)
    }

    /// All of them, for the checks.
    pub fn all(&self) -> Vec<Link> {
        [&self.publishing, &self.consuming].into_iter().chain(&self.requests).cloned().collect()
    }
}
