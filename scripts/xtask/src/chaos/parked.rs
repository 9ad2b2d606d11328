//! Compares what the services have parked before and after a fault: nothing may be added.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{played::Played, stage::Stage};
use crate::native::{ServiceProgram, service_names};

/// Runs `play`; afterwards no additional message may be parked.
pub async fn none_more(stage: &mut Stage, play: impl AsyncFnOnce(&mut Stage) -> Result<Played>) -> Result<Played> {
    let before = parked().await?;
    let played = play(stage).await?;
    let after = parked().await?;
    let more = after.difference(&before).count();
    ensure!(more == 0, "{more} messages were parked");
    Ok(played.with("0 parked"))
}

/// The ids of the parked messages of all six services.
async fn parked() -> Result<HashSet<String>> {
    let mut ids = HashSet::new();
    for service in service_names()? {
        let said = ServiceProgram::of(service).await?.run(&["parked", "list", "--json", "--limit", "1000"]).await?;
        let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        ids.extend(
            messages
                .filter(|message| message["state"] == "parked")
                .filter_map(|message| Some(message["id"].as_str()?.to_owned())),
        );
    }
    Ok(ids)
}
