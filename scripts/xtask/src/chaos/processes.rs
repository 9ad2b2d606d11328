//! Rows 1 to 13: processes that end, hang or run short.

use anyhow::Result;
use futures::FutureExt;

use super::{
    row::{Played, Row},
    stage::Stage,
};

/// The rows of processes.
pub fn rows() -> Vec<Row> {
    vec![Row::played(6, "services and the broker killed at moments of chance", |stage| {
        killed_often(stage).boxed_local()
    })]
}

async fn killed_often(stage: &mut Stage) -> Result<Played> {
    let killing = stage.lengths.killing();
    let ledger = killing.run(&mut stage.system, &mut stage.chance).await?;
    Ok(Played { ledger, ..Played::default() }.with(format!("{} kills", killing.services + killing.broker)))
}
