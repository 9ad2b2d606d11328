//! Postgres and Elasticsearch: databases and indices of other services.

use anyhow::{Context, Result, anyhow, ensure};
use kith_cli::Store;
use tokio_postgres::{NoTls, error::SqlState};

use super::{address, secret};
use crate::native::services_on;

/// Every database of another service.
pub async fn refuse(service: &str) -> Result<usize> {
    let password = secret(&format!("{service}.store"))?;
    let mut refused = 0;
    let url = address("KITH_POSTGRES_URL", service, &password)?;
    let (place, _) = url.rsplit_once('/').ok_or_else(|| anyhow!("KITH_POSTGRES_URL names no database"))?;
    for database in services_on(Store::Postgres)? {
        let opened = tokio_postgres::connect(&format!("{place}/{database}"), NoTls).await;
        if database == service {
            drop(opened.with_context(|| format!("{service} cannot open its own database"))?);
        } else {
            ensure!(is_refusal(opened.err(), database)?, "{service} can open the database {database}");
            refused += 1;
        }
    }
    let url = address("KITH_ELASTICSEARCH_URL", service, &password)?;
    let status = reqwest::get(format!("{url}/of-another-service/_count")).await?.status();
    if services_on(Store::Elasticsearch)?.contains(&service) {
        ensure!(status == 403, "{service} can read an index that is not its own: {status}");
    } else {
        ensure!(status == 401, "{service} can sign in to Elasticsearch: {status}");
    }
    Ok(refused + 1)
}

/// Whether Postgres refused to open a database for lack of rights. A database that does not exist, or a server that does
/// not answer, has refused nothing.
fn is_refusal(error: Option<tokio_postgres::Error>, database: &str) -> Result<bool> {
    let Some(error) = error else { return Ok(false) };
    // A service without a database of its own has no user here: the server answers as to a wrong password.
    let refusals =
        [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_AUTHORIZATION_SPECIFICATION, SqlState::INVALID_PASSWORD];
    if error.code().is_some_and(|code| refusals.contains(code)) {
        return Ok(true);
    }
    Err(error).with_context(|| format!("opening the database {database} failed, but not for lack of rights"))
}
