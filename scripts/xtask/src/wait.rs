//! Waits for a condition, with a limit.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Waits until a condition holds; a failed check is repeated.
///
/// # Errors
/// If it takes longer than this.
pub async fn until(what: &str, limit: Duration, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so().await.unwrap_or(false) {
        ensure!(began.elapsed() < limit, "timed out after {} s waiting for {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
