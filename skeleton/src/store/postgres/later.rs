//! Statements whose result is not awaited: they are sent with the next awaited statement, in one round trip.

use std::error::Error;

use bytes::BytesMut;
use futures::{future::maybe_done, poll};
use tokio_postgres::{
    Client, Statement,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use crate::failure::StoreError;

/// A statement with its encoded parameters.
pub(super) struct Later {
    statement: Statement,
    parameters: Vec<Written>,
}

/// A parameter in wire format; `None` is null.
#[derive(Debug)]
struct Written(Option<BytesMut>);

impl Later {
    pub(super) fn new(statement: Statement, parameters: &[&(dyn ToSql + Sync)]) -> Result<Self, StoreError> {
        let kinds = statement.params();
        if kinds.len() != parameters.len() {
            let text = format!("the statement has {} parameters, {} given", kinds.len(), parameters.len());
            return Err(StoreError::broken(text));
        }
        let written = parameters.iter().zip(kinds).map(|(parameter, kind)| Written::new(*parameter, kind));
        let parameters = written.collect::<Result<_, _>>().map_err(StoreError::broken)?;
        Ok(Self { statement, parameters })
    }
}

impl Written {
    fn new(parameter: &(dyn ToSql + Sync), kind: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let mut bytes = BytesMut::new();
        Ok(match parameter.to_sql_checked(kind, &mut bytes)? {
            IsNull::No => Self(Some(bytes)),
            IsNull::Yes => Self(None),
        })
    }
}

impl ToSql for Written {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Sends all statements in order with the first poll, and then waits for their results. A statement sent after that
/// poll comes after them.
pub(super) async fn send(client: &Client, statements: &[Later]) -> Result<(), tokio_postgres::Error> {
    let executed = statements.iter().map(|later| client.execute_raw(&later.statement, &later.parameters));
    let mut sent: Vec<_> = executed.map(|statement| Box::pin(maybe_done(statement))).collect();
    for statement in &mut sent {
        let _ = poll!(statement.as_mut());
    }
    for mut statement in sent {
        statement.as_mut().await;
        statement.as_mut().take_output().transpose()?;
    }
    Ok(())
}
