//! Row 18: the disk of the broker is full.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{pair::Pair, played::Played, rabbit, stage::Stage};
use crate::{
    native::{self, run_folder},
    trial::{Flow, processes},
    wait::until,
};

/// The size of the small disk: the broker's data from all earlier rows must fit.
const SIZE: &str = "size=1500m";

/// How many events wait once the broker accepts nothing more.
const STUCK: i64 = 50;

/// The broker's data on a separate disk that can be filled.
struct SmallDisk {
    data: PathBuf,
}

/// The disk fills up while events flow, past every alarm; then space is freed and the broker is restarted.
pub async fn play(stage: &mut Stage) -> Result<Played> {
    let disk = SmallDisk::under_the_broker().await?;
    let played = filled(stage, &disk).await;
    disk.remove().await?;
    played
}

async fn filled(stage: &mut Stage, disk: &SmallDisk) -> Result<Played> {
    let pair = Pair::start().await?;
    let mut seen = None;
    let trouble = async |_: &mut Stage, _: &Flow| -> Result<()> {
        // The alarm would fire first and stop the publishers.
        rabbit::rabbitmqctl(&["set_disk_free_limit", "1"]).await?;
        disk.fill().await?;
        let stuck = async {
            until("events that wait", Duration::from_secs(90), async || Ok(pair.outbox().await? >= STUCK)).await?;
            let died_by_itself = !processes::is_alive(&processes::pid_of("rabbitmq")?);
            disk.empty()?;
            if !died_by_itself {
                processes::kill("rabbitmq").await?;
            }
            processes::start_server("rabbitmq").await?;
            Ok::<_, anyhow::Error>(died_by_itself)
        };
        let (died_by_itself, writes, _) = pair.writing_during(Duration::from_millis(20), stuck).await?;
        let (ledger, took) = pair.settled().await?;
        let end = if died_by_itself { "the broker ended" } else { "the broker hung" };
        seen = Some((ledger, took, format!("{end}; {writes} writes to an API, none refused")));
        Ok(())
    };
    let played = stage.flowing_with(trouble).await;
    pair.finish().await?;
    let (played, (ledger, took, figure)) = (played?, seen.context("there were no writes")?);
    Ok(Played { ledger: played.ledger.and(ledger), recovery: took.max(played.recovery), ..played }.with(figure))
}

impl SmallDisk {
    /// Moves the broker's data to a small disk in memory.
    async fn under_the_broker() -> Result<Self> {
        let data = run_folder().canonicalize()?.join("data/rabbitmq/mnesia").canonicalize()?;
        stop_broker().await?;
        let kept = data.with_extension("kept");
        run("mv", &[&data, &kept]).await?;
        std::fs::create_dir(&data)?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&data).status().await?;
        let disk = Self { data };
        if !mounted.success() {
            std::fs::remove_dir(&disk.data)?;
            run("mv", &[&kept, &disk.data]).await?;
            processes::start_server("rabbitmq").await?;
            ensure!(mounted.success(), "cannot mount a tmpfs on this machine: root is needed");
        }
        copy(&kept, &disk.data).await?;
        processes::start_server("rabbitmq").await?;
        Ok(disk)
    }

    /// Fills the disk completely.
    async fn fill(&self) -> Result<()> {
        let script = "cat /dev/zero > \"$0\" 2>/dev/null; true";
        let filled = Command::new("bash").args(["-c", script]).arg(self.filling()).status().await?;
        ensure!(filled.success(), "cannot fill the disk");
        Ok(())
    }

    fn empty(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filling())?)
    }

    fn filling(&self) -> PathBuf {
        self.data.join("filling")
    }

    /// Moves the data in its present state back.
    async fn remove(self) -> Result<()> {
        let kept = self.data.with_extension("kept");
        let back = self.data.with_extension("back");
        stop_broker().await?;
        let _ = self.empty();
        std::fs::create_dir(&back)?;
        copy(&self.data, &back).await?;
        run("umount", &[&self.data]).await?;
        std::fs::remove_dir(&self.data)?;
        run("mv", &[&back, &self.data]).await?;
        std::fs::remove_dir_all(&kept)?;
        processes::start_server("rabbitmq").await
    }
}

async fn stop_broker() -> Result<()> {
    native::run(native::script("servers").args(["stop", "rabbitmq"])).await
}

/// Copies a folder and keeps the owners.
async fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").arg("-aT").arg(from).arg(to).status().await?;
    ensure!(copied.success(), "cannot copy {}", from.display());
    Ok(())
}

async fn run(program: &str, paths: &[&Path]) -> Result<()> {
    let status = Command::new(program).args(paths).status().await?;
    ensure!(status.success(), "{program} failed");
    Ok(())
}
