//! Rows 14 to 28: what happens to the broker.

use std::time::Duration;

use anyhow::Result;
use futures::FutureExt;

use super::{
    row::{Played, Row},
    stage::Stage,
};
use crate::trial::processes;

/// The rows of the broker.
pub fn rows() -> Vec<Row> {
    vec![Row::played(14, "broker killed with confirms in flight", |stage| killed(stage).boxed_local()).within(5)]
}

/// It hangs first: what is sent to it then is lost with it, unless somebody waits for the confirm.
async fn killed(stage: &mut Stage) -> Result<Played> {
    let trouble = async |_: &mut Stage| {
        processes::kill_after_hanging("rabbitmq", Duration::from_millis(500)).await?;
        processes::start_server("rabbitmq").await
    };
    stage.flowing(trouble).await
}
