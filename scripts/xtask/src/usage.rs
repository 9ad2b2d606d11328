//! What a process has used of the machine, as proc(5) tells it.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

/// The system counts CPU time in hundredths of a second, whatever it runs on (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Seconds of CPU, the system's part included.
    pub cpu_s: f64,
    /// The most memory it held at a time, in megabytes; 0 where others were in the same process.
    pub peak_mb: f64,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn of(pid: u32) -> Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let stat = fs::read_to_string(folder.join("stat")).context("the process has ended")?;
        // Its name, in parentheses, may hold spaces; user and system time are the 12th and 13th field behind it.
        let (_, fields) = stat.rsplit_once(')').context("the system says nothing of the process")?;
        let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
        Ok(Self { cpu_s: ticks.iter().sum::<f64>() / TICKS_PER_SECOND, peak_mb: memory(pid, "VmHWM:")? })
    }

    /// CPU time of this process.
    pub fn of_ourselves() -> Result<Self> {
        Ok(Self { peak_mb: 0.0, ..Self::of(std::process::id())? })
    }

    /// What was used since then, for each 10,000 of these.
    pub fn since(self, before: Self, count: usize) -> Self {
        Self { cpu_s: (self.cpu_s - before.cpu_s) * 1e4 / count.max(1) as f64, ..self }
    }
}

/// The memory that a process holds (`VmRSS:`), or held at most (`VmHWM:`), in megabytes.
pub fn memory(pid: u32, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let found =
        status.lines().find_map(|found| found.strip_prefix(line)).context("the system does not say how much")?;
    let kilobytes: f64 = found.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}
