//! Schedules as a part of a service: their assembly, and the command that lists them.

use std::{collections::BTreeMap, sync::Arc};

use clap::Subcommand;
use futures::{FutureExt, future::BoxFuture};

use super::{Exit, Service};
use crate::{
    config::Settings,
    failure::StoreError,
    schedule::{self, Schedules, Timetable},
    store::{ScheduleRuns, ServiceContext, Store, schedules::NoteRun},
};

/// Lists the schedules of a service with their last and next runs.
pub(super) type List<S> = fn(S, Arc<ServiceContext>) -> BoxFuture<'static, Result<String, StoreError>>;

#[derive(Subcommand)]
pub(super) enum SchedulesCommand {
    /// List schedules, with their last and next runs.
    List,
}

impl<S: Store> Service<S> {
    /// Enqueues these jobs when they are due.
    pub fn schedules(mut self, schedules: Schedules<S::Tx>) -> Self
    where
        S: ScheduleRuns,
        S::Tx: NoteRun,
    {
        self.schedule_list = Some(|store, service| {
            let timetable = service.get::<Timetable<S::Tx>>();
            async move { schedule::list(&store, &timetable, service.environment.now()).await }.boxed()
        });
        let planned = self.provider(move |settings, errors, context| {
            let Some(section) = settings.expect::<BTreeMap<String, String>>("schedules", errors) else { return };
            match schedules.planned(section) {
                Ok(timetable) => context.put(timetable),
                Err(wrong) => errors.extend(wrong),
            }
        });
        planned.background("schedules", |app, stop| {
            let timetable = app.resource::<Timetable<S::Tx>>();
            schedule::run(app.store, app.service, timetable, stop)
        })
    }

    pub(super) async fn schedules_command(mut self, command: SchedulesCommand, settings: Settings) -> Exit {
        let SchedulesCommand::List = command;
        let Some(list) = self.schedule_list else { return Exit::failed(2, "this service has no schedules") };
        let parts = match self.checked(settings) {
            Ok(parts) => parts,
            Err(exit) => return exit,
        };
        match list(parts.store, parts.service).await {
            Ok(lines) => {
                println!("{lines}");
                Exit::well()
            }
            Err(error) => Exit::failed(1, error),
        }
    }
}
