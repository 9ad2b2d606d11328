//! The databases of a trial, as the administrator sees them.

use anyhow::Result;
use tokio_postgres::{Client, NoTls};

use crate::native;

/// A connection to a database, as the administrator.
pub async fn connect(database: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(&native::postgres(database)?, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Makes an empty database.
pub async fn make_database(name: &str) -> Result<()> {
    drop_database(name).await?;
    Ok(connect("postgres").await?.batch_execute(&format!("create database {name}")).await?)
}

/// Takes a database away, whoever uses it.
pub async fn drop_database(name: &str) -> Result<()> {
    Ok(connect("postgres").await?.batch_execute(&format!("drop database if exists {name} with (force)")).await?)
}
