//! `logs`: the log lines of all services in the order of their times.

use std::{
    collections::BTreeSet,
    env,
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use glob::Pattern;
use kith_cli::services;

use super::log_line::{Level, LogLine};

/// How often new lines are looked for.
const FOLLOW: Duration = Duration::from_millis(300);

/// Print the log lines of all services in the order of their times.
///
/// At the level info, a message that succeeds leaves no line: start the service with <SERVICE>__LOG__FILTER=debug.
#[derive(Args)]
pub struct Logs {
    /// Names of services; `*` stands for any letters. Default: all.
    names: Vec<Pattern>,
    /// Only the lines of this trace.
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Only the lines about this event, request or job, and those of its trace.
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Only the lines of the last 30s, 5m, 2h, 1d ...
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// Only lines of this level, and more important ones.
    #[arg(long, default_value = "trace")]
    level: Level,
    /// Go on printing new lines.
    #[arg(long, short)]
    follow: bool,
    /// Print the lines as they were written.
    #[arg(long)]
    json: bool,
}

/// A log that is being read.
struct Log {
    service: String,
    path: PathBuf,
    read: u64,
    last_time: String,
}

impl Logs {
    /// Prints the lines.
    pub fn run(self, root: &Path) -> Result<ExitCode> {
        let folder = env::var_os("KITH_RUN").map_or_else(|| root.join(".run"), PathBuf::from).join("log");
        let mut logs = self.chosen(root, &folder)?;
        let from = self.from();
        let is_needed = |line: &LogLine| self.may_be_printed(line, &from);
        let mut lines = Vec::new();
        for log in &mut logs {
            // What was there before the last start.
            let before = log.path.with_extension("log.1");
            let mut before = Log { path: before, read: 0, service: log.service.clone(), last_time: String::new() };
            before.read_on(&mut lines, is_needed, true)?;
            log.read_on(&mut lines, is_needed, !self.follow)?;
        }
        let mut traces = BTreeSet::from_iter(self.trace.clone());
        if self.print(lines, &from, &mut traces)? == 0 && !self.follow {
            eprintln!("no such lines in {}", folder.display());
        }
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            thread::sleep(FOLLOW);
            let mut lines = Vec::new();
            for log in &mut logs {
                log.read_on(&mut lines, is_needed, false)?;
            }
            self.print(lines, &from, &mut traces)?;
        }
    }

    fn chosen(&self, root: &Path, folder: &Path) -> Result<Vec<Log>> {
        let names: Vec<String> = services(root)?.into_iter().map(|service| service.name).collect();
        for pattern in &self.names {
            if !names.iter().any(|name| pattern.matches(name)) {
                bail!("no service is named {pattern}: choose from {}", names.join(", "));
            }
        }
        let is_chosen = |name: &str| self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name));
        let logs: Vec<Log> = names
            .into_iter()
            .filter(|name| is_chosen(name))
            .map(|name| Log {
                path: folder.join(format!("{name}.log")),
                service: name,
                read: 0,
                last_time: String::new(),
            })
            .collect();
        if !logs.iter().any(|log| log.path.exists()) {
            bail!("{} has no logs of these services: start them (scripts/up), or set KITH_RUN", folder.display());
        }
        Ok(logs)
    }

    /// Whether a line is kept until it can be printed in order. Of an event, all are: each may be of its trace.
    fn may_be_printed(&self, line: &LogLine, from: &str) -> bool {
        let is_of_trace = || self.trace.as_deref().is_none_or(|trace| line.trace() == Some(trace));
        self.event.is_some() || (self.is_recent_and_important(line, from) && is_of_trace())
    }

    fn is_recent_and_important(&self, line: &LogLine, from: &str) -> bool {
        line.level() <= self.level && line.time.as_str() >= from
    }

    /// The earliest time, as in the lines.
    fn from(&self) -> String {
        let from = self.since.and_then(|since| SystemTime::now().checked_sub(since));
        let from = from.filter(|from| *from > SystemTime::UNIX_EPOCH);
        from.map_or_else(String::new, |from| humantime::format_rfc3339_micros(from).to_string())
    }

    /// Prints those that were asked for. Returns how many.
    fn print(&self, mut lines: Vec<LogLine>, from: &str, traces: &mut BTreeSet<String>) -> Result<usize> {
        lines.sort_by(|a, b| a.time.cmp(&b.time));
        let is_asked_for = |line: &LogLine| self.event.is_some() && line.message_id() == self.event.as_deref();
        traces
            .extend(lines.iter().filter(|line| is_asked_for(line)).filter_map(|line| line.trace().map(str::to_owned)));
        let has_ids = self.event.is_some() || self.trace.is_some();
        let is_in_flow =
            |line: &LogLine| is_asked_for(line) || line.trace().is_some_and(|trace| traces.contains(trace));
        let mut out = io::stdout().lock();
        let mut count = 0;
        for line in &lines {
            if !self.is_recent_and_important(line, from) || (has_ids && !is_in_flow(line)) {
                continue;
            }
            let printed = if self.json { writeln!(out, "{}", line.raw) } else { writeln!(out, "{line}") };
            match printed {
                // Such as `head`.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
                printed => printed?,
            }
            count += 1;
        }
        Ok(count)
    }
}

impl Log {
    /// Reads the lines since the last time. A last line without its end may still be written: it is read only if nothing
    /// more is expected. A log that became shorter is read from its beginning.
    fn read_on(
        &mut self,
        lines: &mut Vec<LogLine>,
        is_needed: impl Fn(&LogLine) -> bool,
        is_complete: bool,
    ) -> Result<()> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.with_context(|| format!("cannot read {}", self.path.display()))?,
        };
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::new(file);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 && (is_complete || bytes.ends_with(b"\n")) {
            self.read += bytes.len() as u64;
            let line = LogLine::read(String::from_utf8_lossy(&bytes).trim_end(), &self.service, &self.last_time);
            self.last_time.clone_from(&line.time);
            if is_needed(&line) {
                lines.push(line);
            }
            bytes.clear();
        }
        Ok(())
    }
}
