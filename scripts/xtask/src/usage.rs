//! The resources that a process has used, from proc(5).

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

/// Linux counts CPU time in hundredths of a second on every platform (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// The resources that a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU seconds, system time included.
    pub cpu_s: f64,
    /// Peak memory in megabytes; 0 if the process is shared with others.
    pub peak_mb: f64,
}

impl Usage {
    /// The usage of a running process.
    ///
    /// # Errors
    /// If it has exited.
    pub fn of(pid: u32) -> Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let stat = fs::read_to_string(folder.join("stat")).context("the process has exited")?;
        // The name, in parentheses, may contain spaces; user and system time are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has an unexpected format")?;
        let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
        Ok(Self { cpu_s: ticks.iter().sum::<f64>() / TICKS_PER_SECOND, peak_mb: memory(pid, "VmHWM:")? })
    }

    /// The CPU time of this process.
    pub fn of_ourselves() -> Result<Self> {
        Ok(Self { peak_mb: 0.0, ..Self::of(std::process::id())? })
    }

    /// The usage since `earlier`, per 10,000 operations.
    pub fn since(self, before: Self, count: usize) -> Self {
        Self { cpu_s: (self.cpu_s - before.cpu_s) * 1e4 / count.max(1) as f64, ..self }
    }
}

/// The memory that a process holds (`VmRSS:`), or its peak (`VmHWM:`), in megabytes.
pub fn memory(pid: u32, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has exited")?;
    let found = status
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .context("/proc/PID/status has an unexpected format")?;
    let kilobytes: f64 = found.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}
