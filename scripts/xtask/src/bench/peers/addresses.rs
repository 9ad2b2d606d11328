//! The addresses of the servers: the stacks contain fixed ones, which are replaced in their copies.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The virtual host and the database of all stacks.
pub const PLACE: &str = "peers";

/// The addresses of the servers, with credentials.
pub struct Addresses {
    /// `user:password@host:port` of the broker.
    amqp: String,
    /// `user:password@host:port` of the database.
    postgres: String,
}

impl Addresses {
    /// Reads the addresses of the bench's servers.
    ///
    /// # Errors
    /// If an address does not have the form of the bench's own.
    pub fn of(amqp: &str, postgres: &str) -> Result<Self> {
        let place = |url: &str| {
            let (_, rest) = url.split_once("://")?;
            rest.rsplit_once('/').map(|(place, _)| place.to_owned())
        };
        Ok(Self {
            amqp: place(amqp).context("the broker's address has no path")?,
            postgres: place(postgres).context("the database's address has no path")?,
        })
    }

    /// The broker's URL.
    pub fn amqp_url(&self) -> String {
        format!("amqp://{}/{PLACE}", self.amqp)
    }

    /// The database's URL.
    pub fn postgres_url(&self) -> String {
        format!("postgres://{}/{PLACE}", self.postgres)
    }

    /// Replaces the fixed addresses in the text of a file.
    fn put_into(&self, text: &str) -> String {
        let part = |place: &str| {
            let (login, host) = place.rsplit_once('@').unwrap_or(("", place));
            let ((user, password), (host, port)) =
                (login.split_once(':').unwrap_or((login, "")), host.split_once(':').unwrap_or((host, "")));
            [user, password, host, port].map(str::to_owned)
        };
        let [user, password, _, port] = part(&self.postgres);
        let [broker_user, broker_password, _, broker_port] = part(&self.amqp);
        text.replace("amqp://guest:guest@127.0.0.1:25672/", &format!("amqp://{}/{PLACE}", self.amqp))
            .replace("//postgres@127.0.0.1:25432/peers", &format!("//{}/{PLACE}", self.postgres))
            .replace("port: 25432, user: 'postgres',", &format!("port: {port}, user: '{user}', password: '{password}',"))
            .replace("jdbc:postgresql://127.0.0.1:25432", &format!("jdbc:postgresql://127.0.0.1:{port}"))
            .replace("    username: postgres\n", &format!("    username: {user}\n    password: {password}\n"))
            .replace(
                "    port: 25672\n",
                &format!(
                    "    port: {broker_port}\n    username: {broker_user}\n    password: {broker_password}\n    virtual-host: {PLACE}\n"
                ),
            )
    }

    /// Copies a folder. Returns whether a file was new or changed.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn copy(&self, from: &Path, to: &Path) -> Result<bool> {
        fs::create_dir_all(to)?;
        let mut is_new = false;
        for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
            let path: PathBuf = entry?.path();
            let target = to.join(path.file_name().unwrap_or_default());
            if path.is_dir() {
                is_new |= self.copy(&path, &target)?;
                continue;
            }
            let text = self.put_into(&fs::read_to_string(&path)?);
            if fs::read_to_string(&target).ok().as_ref() != Some(&text) {
                fs::write(&target, text)?;
                is_new = true;
            }
        }
        Ok(is_new)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_our_addresses_in_the_place_of_its_own() {
        let addresses =
            Addresses::of("amqp://me:secret@127.0.0.1:1/%2f", "postgres://us:word@127.0.0.1:2/postgres").unwrap();

        let broker = addresses.put_into("const amqpURL = \"amqp://guest:guest@127.0.0.1:25672/\"");
        let spring = addresses
            .put_into("  url: jdbc:postgresql://127.0.0.1:25432/peers\n    username: postgres\n    port: 25672\n");

        assert_eq!(broker, "const amqpURL = \"amqp://me:secret@127.0.0.1:1/peers\"");
        assert!(spring.contains("127.0.0.1:2/peers\n    username: us\n    password: word\n"), "{spring}");
        assert!(
            spring.contains("port: 1\n    username: me\n    password: secret\n    virtual-host: peers"),
            "{spring}"
        );
    }
}
