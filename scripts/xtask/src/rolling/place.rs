//! The addresses of a replica.

use reqwest::Client;

/// The addresses of a replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The admin address.
    pub admin: String,
    /// The public address. Only the gateway has one.
    pub public: String,
}

impl Place {
    /// Whether it reports that it is ready.
    pub async fn is_ready(&self, client: &Client) -> bool {
        let answer = client.get(format!("http://{}/health/ready", self.admin)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}
