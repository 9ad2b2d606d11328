//! Runs the search service.

#[tokio::main(flavor = "current_thread")]
async fn main() -> skeleton::Exit {
    search::service().run().await
}
