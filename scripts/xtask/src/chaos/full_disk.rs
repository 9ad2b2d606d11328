//! Row 41: a database on a disk that fills up. The disk is a small tmpfs; mounting it needs root.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{callers::asking, parked, played::Played, stage::Stage};
use crate::{native::run_folder, trial::connect};

/// The size of the disk, and how much of it other data fills.
const DISK: &str = "size=96m";
const FILLED: usize = 128 * 1024 * 1024;

/// Moves the database of contacts to a small disk, which is then filled and emptied.
pub async fn play(stage: &mut Stage) -> Result<Played> {
    let disk = Disk::mount().await?;
    let outcome = parked::none_more(stage, async |stage| on(stage, &disk).await).await;
    move_to(stage, "pg_default").await?;
    connect("postgres").await?.batch_execute("drop tablespace small").await?;
    disk.unmount().await?;
    outcome
}

async fn on(stage: &mut Stage, disk: &Disk) -> Result<Played> {
    let client = connect("postgres").await?;
    client.batch_execute("drop tablespace if exists small").await?;
    client.batch_execute(&format!("create tablespace small location '{}'", disk.data.display())).await?;
    move_to(stage, "small").await?;
    let trouble = async |stage: &mut Stage| {
        disk.fill()?;
        tokio::time::sleep(stage.lengths.fault).await;
        disk.empty()
    };
    let (played, heard) = asking(stage, trouble).await?;
    heard.is_polite()?;
    Ok(played)
}

/// A database can be moved only while it has no connections.
async fn move_to(stage: &mut Stage, place: &str) -> Result<()> {
    stage.system.kill("contacts").await?;
    let client = connect("postgres").await?;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'contacts'";
    client.batch_execute(cut).await?;
    client.batch_execute(&format!("alter database contacts set tablespace {place}")).await?;
    stage.system.start_again("contacts").await
}

/// A small disk.
struct Disk {
    mounted: PathBuf,
    data: PathBuf,
}

impl Disk {
    async fn mount() -> Result<Self> {
        let mounted = fs::canonicalize(run_folder())?.join("small");
        fs::create_dir_all(&mounted)?;
        run("mount", &["-t", "tmpfs", "-o", DISK, "tmpfs", path(&mounted)?])
            .await
            .context("cannot mount a small disk: this row needs root")?;
        let data = mounted.join("data");
        fs::create_dir(&data)?;
        // The server's own user.
        let owner = fs::metadata(run_folder().join("data/postgres"))?;
        chown(&data, Some(owner.uid()), Some(owner.gid()))?;
        Ok(Self { mounted, data })
    }

    /// Fills it completely.
    fn fill(&self) -> Result<()> {
        let filled = fs::write(self.filler(), vec![b'.'; FILLED]);
        ensure!(filled.is_err(), "the disk is not full: its limit is {DISK}");
        Ok(())
    }

    fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.mounted.join("filler")
    }

    async fn unmount(self) -> Result<()> {
        run("umount", &[path(&self.mounted)?]).await
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the folder's name is not UTF-8")
}

async fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().await?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
