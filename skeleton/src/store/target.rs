//! The server of a store, as errors show it: the address without the password, and the settings that hold it.

use crate::config::Settings;

/// The server of a store.
pub(crate) struct Target {
    place: String,
    address: String,
    login: String,
}

impl Target {
    /// The server at a place, such as `127.0.0.1:7687, user network`.
    pub fn new(place: &str, settings: &Settings) -> Self {
        let (address, login) = (settings.names("store", &["url"]), settings.names("store", &["url", "password"]));
        Self { place: place.to_owned(), address, login }
    }

    /// For a server that cannot be reached.
    pub fn address(&self) -> String {
        format!("{}: check {}", self.place, self.address)
    }

    /// For a server that refuses the login.
    pub fn login(&self) -> String {
        format!("{}: check {}", self.place, self.login)
    }
}
