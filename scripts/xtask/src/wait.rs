//! Waiting for a fact, with a limit.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Waits until something is so; what cannot be looked at is looked at again.
///
/// # Errors
/// Where it takes longer than this.
pub async fn until(what: &str, limit: Duration, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so().await.unwrap_or(false) {
        ensure!(began.elapsed() < limit, "waited {} s in vain for {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
