//! Tasks with past events: replaying them, and rebuilding a read model.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{
    Service, StartError,
    assembly::Assembled,
    sequences::SequencesError,
    waiting::{connected, prepare_store},
};
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

/// The name under which the position of a replay is kept.
const REPLAY: &str = "replay";

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The replay failed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The rebuild failed.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The service has to recover its sequence numbers first.
    #[error(transparent)]
    Sequences(#[from] SequencesError),
    /// The service has no handler for some of the named events.
    #[error("{service} does not consume {names}: `{service} contract` lists what it consumes")]
    Unheard {
        /// The service.
        service: &'static str,
        /// The names.
        names: String,
    },
}

/// The options of a rebuild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct RebuildOptions {
    /// Start over, even if an earlier rebuild is not finished.
    #[arg(long)]
    pub restart: bool,
    /// Only report the differences from the owners' data.
    #[arg(long, conflicts_with = "restart")]
    pub dry_run: bool,
}

impl<S: Rebuildable> Service<S> {
    /// Adds read models that can be rebuilt from their owners' snapshots. The service has to [call](Self::calls) the
    /// owners.
    pub fn rebuilds(self, projections: Projections<S>) -> Self {
        Self { projections: Some(projections), ..self }
    }

    /// Feeds past events through the service's handlers, again or for the first time.
    ///
    /// # Errors
    /// If settings are invalid, another replay is not finished, or the history cannot be read.
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
        connected(&link).await.map_err(StartError::Broker)?;
        parts.publisher(&parts.sending_link("publishing", &opened));
        parts.service.begin_replay();
        let past = self.past(&parts, link);
        let replayed = past.replay(parts.store.clone(), range, REPLAY, progress).run(stop).await?;
        if replayed.finished {
            parts.store.drop_bookmark(REPLAY).await.map_err(ReplayError::from)?;
        }
        Ok(replayed)
    }

    /// Rebuilds the service's read model, or only reports its errors. Stops before it changes anything if the service
    /// would number its events behind its history.
    ///
    /// # Errors
    /// If settings are invalid, an owner or the store does not respond, or both sides keep differing.
    pub async fn rebuild(
        mut self,
        settings: Settings,
        options: RebuildOptions,
        progress: watch::Sender<Rebuilt>,
        stop: Stop,
    ) -> Result<Rebuilt, TaskError> {
        let projections = self.projections.take().ok_or(RebuildError::NothingToDo)?;
        let parts = self.assemble(settings, &Environment::system())?;
        prepare_store(&parts.store, options.dry_run).await.map_err(StartError::Store)?;
        let (_open, opened) = stop::channel();
        let (consuming, publishing) = (parts.link("rebuilding", &opened), parts.sending_link("asking", &opened));
        connected(&consuming).await.map_err(StartError::Broker)?;
        if !options.dry_run {
            progress
                .send_modify(|rebuilt| "comparing the sequence numbers with the history".clone_into(&mut rebuilt.step));
            self.check_numbers(&parts.store, &consuming).await?;
        }
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

    /// Whether it can be rebuilt from the owners of its data.
    pub(super) fn has_read_model(&self) -> bool {
        self.projections.is_some()
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

/// The handlers and connections that a replay uses.
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
