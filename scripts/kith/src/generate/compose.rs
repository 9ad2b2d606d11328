//! The services in `deploy/compose/compose.yaml`.

use std::fmt::Write;

use anyhow::Result;

use crate::{Service, Store, region, service::variable};

/// The file.
pub const PATH: &str = "deploy/compose/compose.yaml";

/// The file with its regions for these services.
pub fn replace(text: &str, services: &[Service]) -> Result<String> {
    let mounts: String =
        services.iter().map(|Service { name, .. }| format!("- secrets-{name}:/services/{name}\n")).collect();
    let volumes: String = services.iter().map(|Service { name, .. }| format!("secrets-{name}:\n")).collect();
    let blocks: Vec<String> = services.iter().map(block).collect();
    let text = region::replace(text, "mounts", &mounts)?;
    let text = region::replace(&text, "services", &blocks.join("\n"))?;
    region::replace(&text, "volumes", &volumes)
}

fn block(service: &Service) -> String {
    let (name, prefix) = (&service.name, service.prefix());
    let store = match service.store {
        Store::Postgres => format!("postgres://{name}@postgres:5432/{name}"),
        Store::Neo4j => "bolt://neo4j@neo4j:7687".to_owned(),
        Store::Elasticsearch => format!("http://{name}@elasticsearch:9200"),
    };
    let mut text = format!(
        "\
{name}:
  <<: *service
  image: kith/{name}
  build: {{ context: ../.., dockerfile: deploy/docker/Dockerfile, args: {{ SERVICE: {name} }} }}
  environment:
    {prefix}__BROKER__URL: amqp://{name}@rabbitmq:5672/%2f
    {prefix}__BROKER__PASSWORD_FILE: /secrets/broker
    {prefix}__STORE__URL: {store}
    {prefix}__STORE__PASSWORD_FILE: /secrets/store
    # Only inside this file's network; no server's port is published.
    {prefix}__BROKER__ALLOW_PLAINTEXT: \"true\"
    {prefix}__STORE__ALLOW_PLAINTEXT: \"true\"
"
    );
    for (file, secret) in &service.secrets {
        let _ = writeln!(text, "    {prefix}__{}_FILE: /secrets/{file}", variable(&secret.setting));
    }
    let _ = writeln!(text, "    {prefix}__ADMIN__ADDRESS: 0.0.0.0:9100");
    if service.public {
        let _ = writeln!(
            text,
            "    {prefix}__HTTP__ADDRESS: 0.0.0.0:8080\n  ports:\n    - 127.0.0.1:${{KITH_HTTP_PORT:-8080}}:8080"
        );
    }
    let _ = writeln!(text, "  volumes:\n    - secrets-{name}:/secrets:ro");
    text
}
