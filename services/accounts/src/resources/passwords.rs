//! Argon2id password hashes, computed off the event loop, at most one per processor at a time.

use std::{sync::Arc, thread};

use argon2::{
    Argon2, Params, PasswordHasher, PasswordVerifier,
    password_hash::{Error, phc::PasswordHash},
};
use serde::Deserialize;
use skeleton::Failure;
use tokio::{sync::Semaphore, task::spawn_blocking};

/// The cost of a hash; the defaults are OWASP's figures.
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
    /// A hash that no account uses: verifying a password against it takes as long as for a known account.
    decoy: String,
}

impl Passwords {
    /// Builds it from the settings.
    ///
    /// # Errors
    /// If argon2 does not accept the costs.
    pub fn try_new(settings: PasswordSettings) -> Result<Self, String> {
        let params = Params::new(settings.memory_kib, settings.rounds, settings.lanes, None);
        let argon2 = Argon2::from(params.map_err(|error| error.to_string())?);
        let decoy = hash(&argon2, "a password of no account").map_err(|error| error.to_string())?;
        let slots = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { argon2, slots: Arc::new(Semaphore::new(slots)), decoy })
    }

    /// Hashes a password for storage.
    ///
    /// # Errors
    /// A bug if argon2 fails: its settings were validated at start.
    pub async fn hash(&self, password: String) -> Result<String, Failure> {
        self.work_out(move |argon2| hash(&argon2, &password)).await
    }

    /// Whether a password matches the stored hash. Without a hash it takes the same time and returns false.
    ///
    /// # Errors
    /// A bug if the stored hash cannot be parsed.
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
            // Held by the computation itself, because a caller that stops waiting does not stop it.
            let _slot = slot;
            work(argon2)
        });
        worked_out.await.map_err(Failure::bug)?.map_err(Failure::bug)
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, Error> {
    Ok(argon2.hash_password(password.as_bytes())?.to_string())
}
