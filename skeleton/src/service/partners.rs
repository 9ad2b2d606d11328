//! Partners of a service: clients of outside systems with limits.

use std::any::Any;

use serde::de::DeserializeOwned;

use super::Service;
use crate::{
    config::{RetrySettings, Settings},
    partner::{Partner, PartnerSettings},
    store::{Store, limits::SharedLimits},
};

impl<S: Store + SharedLimits> Service<S> {
    /// Creates a client of an outside system from the section of the settings with this name; handlers find it by its
    /// type. The client calls through the [`Partner`], whose limits are in the section `partners.<name>`.
    pub fn partner<T, R, E>(
        mut self,
        name: &'static str,
        make: impl FnOnce(T, Partner) -> Result<R, E> + Send + 'static,
    ) -> Self
    where
        T: DeserializeOwned,
        R: Any + Send + Sync,
        E: std::fmt::Display,
    {
        self.partners.push(Box::new(move |store, settings, errors, context| {
            let limits = limits_of(name, settings, errors);
            let section = settings.expect::<T>(name, errors);
            let (Some(store), Some(limits), Some(section)) = (store, limits, section) else { return };
            let partner = Partner::new(name, limits, store.clone(), context.environment.clone());
            match make(section, partner) {
                Ok(client) => context.put(client),
                Err(error) => errors.push(format!("[{name}] {error}")),
            }
        }));
        self
    }
}

fn limits_of(name: &str, settings: &mut Settings, errors: &mut Vec<String>) -> Option<PartnerSettings> {
    let section = format!("partners.{name}");
    let limits: PartnerSettings = settings.expect(&section, errors)?;
    let retry: RetrySettings = settings.section("retry").ok()?;
    let wrong = limits.errors(retry.handler_timeout_ms);
    errors.extend(wrong.into_iter().map(|mistake| format!("[{section}] {mistake}")));
    Some(limits)
}
