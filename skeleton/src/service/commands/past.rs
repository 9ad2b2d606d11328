//! `replay` and `rebuild`: long tasks that report their progress, and that a signal stops at a safe point.

use std::{collections::BTreeSet, fmt::Display, future::Future, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::Instant,
};

use super::{Exit, WRONG_SETTINGS};
use crate::{
    config::Settings,
    messaging::history::{Range, Replayed},
    rebuild::{Found, RebuildError, Rebuildable, Rebuilt},
    service::{RebuildOptions, Service, StartError, TaskError},
    stop::{self, Stop},
    store::moment,
};

/// The interval between two progress reports.
const TELL: Duration = Duration::from_secs(1);

/// The selection of past events.
#[derive(Args)]
pub struct ReplayArguments {
    /// Events written at this time or later: `2026-11-01` or `2026-11-01T09:30` (UTC).
    #[arg(long, value_parser = moment)]
    from: DateTime<Utc>,
    /// Events written before this time.
    #[arg(long, value_parser = moment)]
    until: Option<DateTime<Utc>>,
    /// Events of this name, `contacts.contact-added.v2`; may be given several times.
    #[arg(long)]
    name: Vec<String>,
    /// Start over, even if an earlier replay is not finished.
    #[arg(long)]
    restart: bool,
}

pub(super) async fn replay<S: Rebuildable>(service: Service<S>, settings: Settings, asked: ReplayArguments) -> Exit {
    if asked.until.is_some_and(|until| until <= asked.from) {
        return Exit::failed(2, "--until must be later than --from");
    }
    if asked.from > Utc::now() {
        return Exit::failed(2, "--from is in the future: there are no such events");
    }
    let names: BTreeSet<String> = asked.name.into_iter().collect();
    let range = Range { from: asked.from, until: asked.until, names };
    let older = if service.has_read_model() { ". Older data: rebuild from its owner (docs/history.md)" } else { "" };
    let began = Instant::now();
    let text = move |replayed: &Replayed| {
        let rate = replayed.read as f64 / began.elapsed().as_secs_f64();
        let Replayed { read, handled, remaining, .. } = replayed;
        format!("{read} events read ({rate:.0} per second), {handled} selected, {remaining} to go")
    };
    let done =
        told(text, async |progress, stop| service.replay(settings, range, asked.restart, progress, stop).await).await;
    if let Ok(replayed) = &done {
        for (producer, begin) in &replayed.begin_later {
            eprintln!(
                "the history of {producer} begins at {}: nothing older was read{older}",
                begin.to_rfc3339_opts(SecondsFormat::Secs, true)
            );
        }
    }
    ended(done.map(|replayed| replayed.finished))
}

pub(super) async fn rebuild<S: Rebuildable>(service: Service<S>, settings: Settings, options: RebuildOptions) -> Exit {
    let done =
        told(Rebuilt::to_string, async |progress, stop| service.rebuild(settings, options, progress, stop).await).await;
    match done {
        Ok(Rebuilt { found, differences, .. }) if options.dry_run && found != Found::default() => {
            for difference in differences {
                eprintln!("{difference}");
            }
            Exit::failed(1, found)
        }
        Ok(Rebuilt { finished: true, .. }) if options.dry_run => {
            eprintln!("no differences");
            Exit::well()
        }
        done => ended(done.map(|rebuilt| rebuilt.finished)),
    }
}

/// Runs a task and reports its progress periodically and at the end. A signal stops it.
async fn told<P, T, Doing>(
    text: impl Fn(&P) -> T,
    task: impl FnOnce(watch::Sender<P>, Stop) -> Doing,
) -> Result<P, TaskError>
where
    P: Clone + Default + PartialEq,
    T: Display,
    Doing: Future<Output = Result<P, TaskError>>,
{
    let (sender, stop) = stop::channel();
    let progress = watch::Sender::default();
    let seen = progress.subscribe();
    let mut task = Box::pin(task(progress, stop));
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else { return task.await };
    let tell = || {
        if *seen.borrow() != P::default() {
            eprintln!("{}", text(&seen.borrow()));
        }
    };
    let done = loop {
        tokio::select! {
            done = &mut task => break done,
            _ = terminate.recv() => sender.stop(),
            _ = interrupt.recv() => sender.stop(),
            () = tokio::time::sleep(TELL) => tell(),
        }
    };
    // A refusal says all: nothing was done yet.
    if done.is_ok() {
        eprintln!("{}", text(&seen.borrow()));
    } else {
        tell();
    }
    done
}

fn ended(done: Result<bool, TaskError>) -> Exit {
    match done {
        Ok(true) => {
            eprintln!("done");
            Exit::well()
        }
        Ok(false) => Exit::failed(1, "stopped: run it again, with the same times and names, to continue"),
        Err(TaskError::Start(error @ StartError::Settings(_))) => Exit::failed(WRONG_SETTINGS, error),
        Err(error @ (TaskError::Unheard { .. } | TaskError::Rebuild(RebuildError::NothingToDo))) => {
            Exit::failed(2, error)
        }
        Err(error) => Exit::failed(1, error),
    }
}
