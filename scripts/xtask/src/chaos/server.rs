//! The servers that services have links to.

/// A server at the far end of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Broker,
    Postgres,
    Neo4j,
    Elasticsearch,
}

/// All servers that services have links to.
pub const SERVERS: [Server; 4] = [Server::Broker, Server::Postgres, Server::Neo4j, Server::Elasticsearch];

impl Server {
    /// Its name in `deploy/native`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broker => "rabbitmq",
            Self::Postgres => "postgres",
            Self::Neo4j => "neo4j",
            Self::Elasticsearch => "elasticsearch",
        }
    }

    /// Parses the name of a store.
    pub fn store(name: &str) -> Result<Self, String> {
        let stores = SERVERS.into_iter().filter(|server| *server != Self::Broker);
        let found = stores.into_iter().find(|server| server.name() == name);
        found.ok_or_else(|| format!("{name} is not a store: choose postgres, neo4j or elasticsearch"))
    }

    /// The server of a service's store.
    pub fn of_store(service: &str) -> Self {
        match service {
            "network" => Self::Neo4j,
            "search" => Self::Elasticsearch,
            _ => Self::Postgres,
        }
    }
}
