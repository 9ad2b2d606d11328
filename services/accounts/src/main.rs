//! Runs the accounts service.

#[tokio::main(flavor = "current_thread")]
async fn main() -> skeleton::Exit {
    accounts::service().run().await
}
