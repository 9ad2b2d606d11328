//! Runs the contacts service.

#[tokio::main(flavor = "current_thread")]
async fn main() -> skeleton::Exit {
    contacts::service().run().await
}
