//! Runs the gateway.

#[tokio::main(flavor = "current_thread")]
async fn main() -> skeleton::Exit {
    gateway::service().run().await
}
