//! Attempts forbidden actions with each service's own credentials, on the real servers.

mod broker;
mod databases;
mod neo4j;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::native::{service_names, setting};

/// Attempt forbidden actions with each service's credentials: all must be refused.
#[derive(Args)]
pub struct Rights {}

impl Rights {
    /// Makes all attempts. Fails at the first one that succeeds.
    pub async fn run(self) -> Result<()> {
        let mut refused = 0;
        for service in service_names()? {
            refused += databases::refuse(service).await?;
            refused += broker::refuses(service).await?;
        }
        refused += neo4j::refuses().await?;
        println!("{refused} attempts on other services' resources, all refused");
        Ok(())
    }
}

fn secret(name: &str) -> Result<String> {
    let folder = PathBuf::from(setting("KITH_SECRETS")?);
    Ok(fs::read_to_string(folder.join(name))
        .with_context(|| format!("cannot read the secret {name}"))?
        .trim()
        .to_owned())
}

/// Replaces the credentials in an address with `user:password@`.
fn address(variable: &str, user: &str, password: &str) -> Result<String> {
    let url = setting(variable)?;
    let (scheme, rest) = url.split_once("://").ok_or_else(|| anyhow!("{variable} is not a URL"))?;
    let (_, place) = rest.split_once('@').ok_or_else(|| anyhow!("{variable} has no user"))?;
    Ok(format!("{scheme}://{user}:{password}@{place}"))
}
