//! Runs the network service.

#[tokio::main(flavor = "current_thread")]
async fn main() -> skeleton::Exit {
    network::service().run().await
}
