//! Tries, with each service's own credentials, what it must not be able to do, on the real servers.

mod broker;
mod databases;
mod neo4j;

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::native::SERVICES;

/// Try, with each service's credentials, what it must not be able to do: each must be refused.
#[derive(Args)]
pub struct Rights {}

impl Rights {
    /// Tries everything. Fails at the first thing that was possible.
    pub async fn run(self) -> Result<()> {
        let mut refused = 0;
        for service in SERVICES {
            refused += databases::refuse(service).await?;
            refused += broker::refuses(service).await?;
        }
        refused += neo4j::refuses().await?;
        println!("{refused} attempts on what is another's, all refused");
        Ok(())
    }
}

fn secret(name: &str) -> Result<String> {
    let folder = PathBuf::from(env::var("KITH_SECRETS").context("KITH_SECRETS is not set")?);
    Ok(fs::read_to_string(folder.join(name))
        .with_context(|| format!("the secret {name} cannot be read"))?
        .trim()
        .to_owned())
}

/// `user:password@` put into an address in place of what is there.
fn address(variable: &str, user: &str, password: &str) -> Result<String> {
    let url = env::var(variable).with_context(|| format!("{variable} is not set"))?;
    let (scheme, rest) = url.split_once("://").ok_or_else(|| anyhow!("{variable} is no address"))?;
    let (_, place) = rest.split_once('@').ok_or_else(|| anyhow!("{variable} has no user"))?;
    Ok(format!("{scheme}://{user}:{password}@{place}"))
}
