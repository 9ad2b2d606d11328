//! Neo4j: the Community edition has one user, whose password only the service that owns it has. All other logins are
//! refused.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use kith_cli::Store;
use neo4rs::{ConfigBuilder, Graph, query};

use super::secret;
use crate::native::{service_names, services_on, setting};

/// How long the server may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tries the owner's login, which must succeed, and all others. Returns how many were refused.
pub async fn refuses() -> Result<usize> {
    let url = setting("KITH_NEO4J_URL")?;
    let (scheme, rest) = url.split_once("://").ok_or_else(|| anyhow!("KITH_NEO4J_URL is not a URL"))?;
    let (login, place) = rest.split_once('@').ok_or_else(|| anyhow!("KITH_NEO4J_URL has no user"))?;
    let (user, place) = (login.split(':').next().unwrap_or_default(), format!("{scheme}://{place}"));
    let [owner] = services_on(Store::Neo4j)?[..] else { bail!("one service has its store on Neo4j, not more or none") };
    let owners = secret(&format!("{owner}.store"))?;
    ask(&place, user, &owners).await.with_context(|| format!("{owner} cannot open its own database"))?;

    let others = service_names()?.into_iter().filter(|service| *service != owner);
    let mut logins: Vec<(String, String)> = vec![(String::new(), String::new()), (user.to_owned(), String::new())];
    for service in others {
        logins.push((service.to_owned(), secret(&format!("{service}.store"))?));
    }
    logins.push((owner.to_owned(), owners));
    for (user, password) in &logins {
        let refused = ask(&place, user, password).await;
        ensure!(is_refusal(refused)?, "Neo4j accepts the user {user:?}");
    }
    Ok(logins.len())
}

async fn ask(place: &str, user: &str, password: &str) -> Result<(), neo4rs::Error> {
    let config = ConfigBuilder::default().uri(place).user(user).password(password).connection_timeout(TIMEOUT);
    Graph::connect(config.build()?)?.run(query("RETURN 1")).await
}

/// Whether the server refused the login. An unavailable server has refused nothing.
fn is_refusal(asked: Result<(), neo4rs::Error>) -> Result<bool> {
    match asked {
        Ok(()) => Ok(false),
        Err(neo4rs::Error::AuthenticationError(_)) => Ok(true),
        Err(neo4rs::Error::Neo4j(error)) if error.code().contains("Security") => Ok(true),
        Err(error) => Err(error).context("Neo4j did not respond to a login"),
    }
}
