//! Tasks with the past: replaying it, and making again what was made from it.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{Service, StartError, assembly::Assembled};
use crate::{
    config::Settings,
    environment::Environment,
    messaging::{
        consumer::Queue,
        history::{Range, Replay, ReplayError, Replayed},
        rabbit::Link,
    },
    rebuild::{CATCHING_UP, CatchingUp, Projections, RebuildError, Rebuildable, Rebuilding, Rebuilt},
    stop::{self, Stop},
};

/// Under which name the place of a replay is kept.
const REPLAY: &str = "replay";

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It could not begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The replay came to nothing.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The rebuild came to nothing.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// Events are named that nobody handles.
    #[error("{service} does not listen to {names}: `{service} contract` tells what it listens to")]
    Unheard {
        /// The service.
        service: &'static str,
        /// The names.
        names: String,
    },
}

/// How a picture is to be made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct RebuildOptions {
    /// Begin anew, even if one that was begun is not finished.
    #[arg(long)]
    pub restart: bool,
    /// Only say what is otherwise than its owners have it.
    #[arg(long, conflicts_with = "restart")]
    pub dry_run: bool,
}

impl<S: Rebuildable> Service<S> {
    /// Can make these again from their owners' snapshots. The owners have to be among those it [asks](Self::asks).
    pub fn rebuilds(self, projections: Projections<S>) -> Self {
        Self { projections: Some(projections), ..self }
    }

    /// Feeds the events of the past through the service's handlers, once more or for the first time.
    ///
    /// # Errors
    /// Where settings are wrong, another replay is not finished, or the history cannot be read.
    pub async fn replay(
        mut self,
        settings: Settings,
        range: Range,
        restart: bool,
        progress: watch::Sender<Replayed>,
        stop: Stop,
    ) -> Result<Replayed, TaskError> {
        self.must_listen_to(&range.names)?;
        let parts = self.assemble(settings, &Environment::system())?;
        parts.store.migrate().await.map_err(StartError::Store)?;
        if restart {
            parts.store.drop_bookmark(REPLAY).await.map_err(ReplayError::from)?;
        }
        let (_open, opened) = stop::channel();
        let link = parts.link("replaying", &opened);
        parts.publisher(&parts.sending_link("publishing", &opened));
        let past = self.past(&parts, link);
        let replayed = past.replay(parts.store.clone(), range, REPLAY, progress).run(stop).await?;
        if replayed.finished {
            parts.store.drop_bookmark(REPLAY).await.map_err(ReplayError::from)?;
        }
        Ok(replayed)
    }

    /// Makes the service's picture of others' things again, or only says what of it is wrong.
    ///
    /// # Errors
    /// Where settings are wrong, an owner or the store does not answer, or both sides go on differing.
    pub async fn rebuild(
        mut self,
        settings: Settings,
        options: RebuildOptions,
        progress: watch::Sender<Rebuilt>,
        stop: Stop,
    ) -> Result<Rebuilt, TaskError> {
        let projections = self.projections.take().ok_or(RebuildError::NothingToDo)?;
        let parts = self.assemble(settings, &Environment::system())?;
        parts.store.migrate().await.map_err(StartError::Store)?;
        let (_open, opened) = stop::channel();
        let (consuming, publishing) = (parts.link("rebuilding", &opened), parts.sending_link("asking", &opened));
        parts.publisher(&publishing);
        let rebuilding = Rebuilding {
            store: parts.store.clone(),
            requests: parts.requests(&self.calls, &consuming, &publishing, &opened),
            service: parts.service.clone(),
            catch_up: self.past(&parts, consuming).catching_up(),
            progress,
        };
        Ok(if options.dry_run {
            rebuilding.look(projections, stop).await?
        } else {
            rebuilding.run(projections, options.restart, stop).await?
        })
    }

    fn past(&self, parts: &Assembled<S>, link: Link) -> Past<S> {
        let producers = self.topology_spec(1).producers().into_iter().map(str::to_owned).collect();
        let (queue, batch) = (parts.events_queue(&self.subscriptions), parts.common.broker.batch);
        Past { queue, batch, link, producers }
    }

    fn must_listen_to(&self, names: &BTreeSet<String>) -> Result<(), TaskError> {
        let unheard: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !self.subscriptions.handlers.contains_key(name)).collect();
        if unheard.is_empty() {
            return Ok(());
        }
        Err(TaskError::Unheard { service: self.name, names: unheard.join(", ") })
    }
}

/// What the events of the past are fed through.
struct Past<S: Rebuildable> {
    queue: Queue<S>,
    batch: usize,
    link: Link,
    producers: Vec<String>,
}

impl<S: Rebuildable> Past<S> {
    fn replay(&self, store: S, range: Range, bookmark: &'static str, progress: watch::Sender<Replayed>) -> Replay<S> {
        Replay {
            queue: Arc::new(self.queue.on(store)),
            link: self.link.clone(),
            producers: self.producers.clone(),
            range,
            bookmark,
            batch: self.batch,
            progress,
        }
    }

    fn catching_up(self) -> CatchingUp<S> {
        Arc::new(move |store: S, since: DateTime<Utc>, stop: Stop| {
            Box::pin(self.replay(store, Range::since(since), CATCHING_UP, watch::Sender::default()).run(stop))
        })
    }
}
