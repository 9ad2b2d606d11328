//! Where a replica is.

use reqwest::Client;

/// Where a replica is.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The address of its admin port.
    pub admin: String,
    /// The address of its public port. Only the gateway has one.
    pub public: String,
}

impl Place {
    /// Whether it says that it is ready.
    pub async fn is_ready(&self, client: &Client) -> bool {
        let answer = client.get(format!("http://{}/health/ready", self.admin)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}
