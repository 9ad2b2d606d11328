//! The databases of a trial, accessed as the administrator.

use anyhow::Result;
use tokio_postgres::{Client, NoTls};

use crate::native;

/// Connects to a database as the administrator.
pub async fn connect(database: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(&native::postgres(database)?, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Creates an empty database.
pub async fn make_database(name: &str) -> Result<()> {
    drop_database(name).await?;
    Ok(connect("postgres").await?.batch_execute(&format!("create database {name}")).await?)
}

/// Drops a database, even if it is in use.
pub async fn drop_database(name: &str) -> Result<()> {
    Ok(connect("postgres").await?.batch_execute(&format!("drop database if exists {name} with (force)")).await?)
}
