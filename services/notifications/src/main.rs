//! Runs the notifications service.

#[tokio::main(flavor = "current_thread")]
async fn main() -> skeleton::Exit {
    notifications::service().run().await
}
