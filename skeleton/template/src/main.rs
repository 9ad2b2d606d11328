//! Runs the depot service.

#[tokio::main(flavor = "current_thread")]
async fn main() -> skeleton::Exit {
    depot::service().run().await
}
