//! The settings of a service: its defaults, and the resources created from their sections.

use std::any::Any;

use serde::de::DeserializeOwned;

use super::Service;
use crate::{
    config::Settings,
    store::{ServiceContext, Store},
};

pub(super) type Provider = Box<dyn FnOnce(&mut Settings, &mut Vec<String>, &mut ServiceContext) + Send>;

/// A service's default settings, and the resources that are created from their sections.
///
/// ```ignore
/// Sections::of(include_str!("../config/default.toml"))
///     .section::<Throttle>("sign_in")
///     .provides("tokens", Tokens::try_new)
/// ```
pub struct Sections {
    defaults: &'static str,
    pub(super) providers: Vec<Provider>,
}

/// Defaults whose sections only the skeleton reads.
impl From<&'static str> for Sections {
    fn from(defaults: &'static str) -> Self {
        Self::of(defaults)
    }
}

impl Sections {
    /// The text of `config/default.toml`.
    pub fn of(defaults: &'static str) -> Self {
        Self { defaults, providers: Vec::new() }
    }

    /// Reads a section of the settings; handlers find it by its type.
    pub fn section<T: DeserializeOwned + Any + Send + Sync>(self, name: &'static str) -> Self {
        self.provider(move |settings, errors, context| {
            if let Some(section) = settings.expect::<T>(name, errors) {
                context.put(section);
            }
        })
    }

    /// Creates a resource from a section of the settings; handlers find it by its type.
    pub fn provides<T, R, E>(self, name: &'static str, make: impl FnOnce(T) -> Result<R, E> + Send + 'static) -> Self
    where
        T: DeserializeOwned,
        R: Any + Send + Sync,
        E: std::fmt::Display,
    {
        self.provider(move |settings, errors, context| {
            let Some(section) = settings.expect::<T>(name, errors) else { return };
            match make(section) {
                Ok(resource) => context.put(resource),
                Err(error) => errors.push(format!("[{name}] {error}")),
            }
        })
    }

    /// Adds a resource; handlers find it by its type.
    pub fn with<R: Any + Send + Sync>(self, resource: R) -> Self {
        self.provider(move |_, _, context| context.put(resource))
    }

    fn provider(
        mut self,
        provider: impl FnOnce(&mut Settings, &mut Vec<String>, &mut ServiceContext) + Send + 'static,
    ) -> Self {
        self.providers.push(Box::new(provider));
        self
    }
}

impl<S: Store> Service<S> {
    /// Sets the default settings, the text of `config/default.toml`, alone or with the resources created from its
    /// sections.
    pub fn settings(mut self, settings: impl Into<Sections>) -> Self {
        let settings = settings.into();
        self.defaults = settings.defaults;
        self.providers.extend(settings.providers);
        self
    }

    /// Reads a section of the settings; handlers find it by its type.
    pub fn section<T: DeserializeOwned + Any + Send + Sync>(self, name: &'static str) -> Self {
        self.made_of(Sections::of("").section::<T>(name))
    }

    /// Creates a resource from a section of the settings; handlers find it by its type.
    pub fn provides<T, R, E>(self, name: &'static str, make: impl FnOnce(T) -> Result<R, E> + Send + 'static) -> Self
    where
        T: DeserializeOwned,
        R: Any + Send + Sync,
        E: std::fmt::Display,
    {
        self.made_of(Sections::of("").provides(name, make))
    }

    /// Adds a resource; handlers find it by its type.
    pub fn with<R: Any + Send + Sync>(self, resource: R) -> Self {
        self.made_of(Sections::of("").with(resource))
    }

    pub(super) fn provider(
        self,
        provider: impl FnOnce(&mut Settings, &mut Vec<String>, &mut ServiceContext) + Send + 'static,
    ) -> Self {
        self.made_of(Sections::of("").provider(provider))
    }

    fn made_of(mut self, sections: Sections) -> Self {
        self.providers.extend(sections.providers);
        self
    }
}
