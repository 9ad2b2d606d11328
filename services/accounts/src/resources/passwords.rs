//! Passwords as argon2id hashes, worked out beside the event loop and never more at once than there are processors.

use std::{sync::Arc, thread};

use argon2::{
    Argon2, Params, PasswordHasher, PasswordVerifier,
    password_hash::{Error, phc::PasswordHash},
};
use serde::Deserialize;
use skeleton::Failure;
use tokio::{sync::Semaphore, task::spawn_blocking};

/// What a hash costs; OWASP's figures unless set otherwise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    memory_kib: u32,
    rounds: u32,
    lanes: u32,
}

/// Hashes and verifies passwords.
pub struct Passwords {
    argon2: Argon2<'static>,
    slots: Arc<Semaphore>,
    /// A hash that no password is known for: who is not known costs the same time as who is.
    decoy: String,
}

impl Passwords {
    /// As the settings say.
    ///
    /// # Errors
    /// Where the costs are none that argon2 can have.
    pub fn try_new(settings: PasswordSettings) -> Result<Self, String> {
        let params = Params::new(settings.memory_kib, settings.rounds, settings.lanes, None);
        let argon2 = Argon2::from(params.map_err(|error| error.to_string())?);
        let decoy = hash(&argon2, "a password that nobody has").map_err(|error| error.to_string())?;
        let slots = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { argon2, slots: Arc::new(Semaphore::new(slots)), decoy })
    }

    /// The hash to keep of a password.
    ///
    /// # Errors
    /// A bug where argon2 fails: its settings were checked.
    pub async fn hash(&self, password: String) -> Result<String, Failure> {
        self.work_out(move |argon2| hash(&argon2, &password)).await
    }

    /// Whether a password is the one that was hashed. Without a hash it takes as long, and is not.
    ///
    /// # Errors
    /// A bug where the hash cannot be read: it is ours.
    pub async fn verify(&self, password: String, kept: Option<&str>) -> Result<bool, Failure> {
        let is_known = kept.is_some();
        let kept = kept.unwrap_or(&self.decoy).to_owned();
        let verified = self.work_out(move |argon2| {
            match argon2.verify_password(password.as_bytes(), &PasswordHash::new(&kept)?) {
                Ok(()) => Ok(true),
                Err(Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        });
        Ok(verified.await? && is_known)
    }

    async fn work_out<T, F>(&self, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(Argon2<'static>) -> Result<T, Error> + Send + 'static,
    {
        let slot = self.slots.clone().acquire_owned().await.map_err(Failure::bug)?;
        let argon2 = self.argon2.clone();
        let worked_out = spawn_blocking(move || {
            // Held by the work itself: who stops waiting for it does not end it.
            let _slot = slot;
            work(argon2)
        });
        worked_out.await.map_err(Failure::bug)?.map_err(Failure::bug)
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, Error> {
    Ok(argon2.hash_password(password.as_bytes())?.to_string())
}
