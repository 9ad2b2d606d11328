//! RabbitMQ: exchanges, queues and histories of other services, and changes of the topology.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};

use skeleton::messaging::{rabbit::BrokerError, topology::Admin};

use super::{address, secret};
use crate::native::{repository, service_names, setting};

/// Every queue and exchange of another service.
pub async fn refuses(service: &str) -> Result<usize> {
    let url = address("KITH_AMQP_URL", service, &secret(&format!("{service}.broker"))?)?;
    let connection = Connection::connect(&url, ConnectionProperties::default())
        .await
        .with_context(|| format!("{service} cannot sign in to the broker"))?;
    let mut refused = 0;
    for other in service_names()?.into_iter().filter(|other| *other != service) {
        for exchange in [format!("events.{other}"), format!("jobs.{other}")] {
            let published = publishing(&connection, &exchange).await;
            ensure!(is_refusal(published, &exchange)?, "{service} can publish to {exchange}");
            refused += 1;
        }
        for queue in queues_of(other).await? {
            let channel = connection.create_channel().await?;
            let got = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: false }).await;
            ensure!(is_refusal(got, &queue)?, "{service} can read the queue {queue}");
            refused += 1;
        }
        refused += usize::from(history(&connection, service, other).await?);
    }
    let by_default = publishing(&connection, "").await;
    ensure!(
        is_refusal(by_default, "the default exchange")?,
        "{service} can publish to any queue by the default exchange"
    );
    let channel = connection.create_channel().await?;
    let declared = channel
        .queue_declare(format!("{service}.replies.mine").into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await;
    ensure!(is_refusal(declared, "a queue of its own")?, "{service} can declare queues");
    publishing(&connection, &format!("events.{service}"))
        .await
        .with_context(|| format!("{service} cannot publish its own events"))?;
    Ok(refused + 2)
}

/// Only subscribers can read another service's history. Returns whether this one is not a subscriber and was refused.
async fn history(connection: &Connection, service: &str, other: &str) -> Result<bool> {
    let contract = fs::read_to_string(repository().join(format!("services/{service}/contract.json")))?;
    let contract: serde_json::Value = serde_json::from_str(&contract)?;
    let consumed = contract["consumes"].as_array().into_iter().flatten();
    let of_other = format!("{other}.");
    let listens = consumed.filter_map(|read| read["message"].as_str()).any(|name| name.starts_with(&of_other));
    let channel = connection.create_channel().await?;
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let stream = format!("history.{other}");
    let reading =
        channel.basic_consume(stream.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await;
    if listens {
        reading.with_context(|| format!("{service} cannot read the history of {other}, which it subscribes to"))?;
    } else {
        ensure!(is_refusal(reading, &format!("history.{other}"))?, "{service} can read the history of {other}");
    }
    Ok(!listens)
}

/// The queues of a service on the broker. Not every service has every kind.
async fn queues_of(service: &str) -> Result<Vec<String>> {
    let listed = Admin::new(&setting("KITH_RABBIT_API")?, "/").get("queues/%2F?columns=name").await?;
    let names = listed.as_array().into_iter().flatten().filter_map(|queue| queue["name"].as_str());
    let own = format!("{service}.");
    let queues: Vec<String> = names.filter(|name| name.starts_with(&own)).map(str::to_owned).collect();
    ensure!(!queues.is_empty(), "{service} has no queues on the broker: run `topology apply` first");
    Ok(queues)
}

/// Whether the broker refused an attempt for lack of rights. An attempt on something that does not exist (404) proves
/// nothing, nor does one that failed for another reason.
fn is_refusal<T>(attempt: lapin::Result<T>, on: &str) -> Result<bool> {
    match attempt.map_err(BrokerError::from) {
        Ok(_) => Ok(false),
        Err(BrokerError::AccessRefused(_)) => Ok(true),
        Err(BrokerError::NotFound(_)) => bail!("{on} does not exist: apply the topology first"),
        Err(error) => Err(error).with_context(|| format!("the attempt on {on} failed, but not for lack of rights")),
    }
}

/// Publishes an unroutable message, and waits for the broker's response.
async fn publishing(connection: &Connection, exchange: &str) -> lapin::Result<()> {
    let channel: Channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let sent = channel
        .basic_publish(
            exchange.into(),
            "nobody-wants-this".into(),
            BasicPublishOptions::default(),
            b"{}",
            BasicProperties::default(),
        )
        .await?;
    sent.await?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use skeleton::{
        messaging::{handlers::Binding, topology::TopologySpec},
        testing::{World, broker_password},
    };

    use super::*;

    #[tokio::test]
    async fn what_does_not_exist_is_not_counted_as_refused() {
        let world = World::new().await;
        for service in ["contacts", "accounts"] {
            let jobs = vec![Binding { exchange: format!("jobs.{service}"), routing_key: "tidy.v1".to_owned() }];
            let spec = TopologySpec { service: service.to_owned(), jobs, ..TopologySpec::default() };
            world.admin().apply(&spec.topology(), &broker_password(service)).await.unwrap();
        }
        let login = format!("contacts:{}@", broker_password("contacts"));
        let url = world.amqp_url("contacts").replace("contacts@", &login);
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let reading = async |queue: &str| {
            let channel = connection.create_channel().await.unwrap();
            channel.basic_get(queue.into(), BasicGetOptions { no_ack: false }).await
        };

        assert!(!is_refusal(reading("contacts.jobs").await, "").unwrap());
        assert!(is_refusal(reading("accounts.jobs").await, "").unwrap());
        let missing = is_refusal(reading("contacts.missing").await, "contacts.missing").unwrap_err();
        assert!(missing.to_string().contains("does not exist"), "{missing:#}");
        drop(connection);
        world.remove().await;
    }
}
