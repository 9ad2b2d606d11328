//! A header whose name is not UTF-8: the client library cannot read it and closes the connection at each delivery.

use std::net::SocketAddr;

use accounts_events::Registered;
use contacts_events::ImportFile;
use events::Message;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::json;
use skeleton::{
    telemetry::metrics_text,
    testing::{TestApp, broker_password, eventually},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use crate::probe;

/// The name that the client library sends; on the way it becomes bytes that are not UTF-8.
const NAME: &[u8] = b"not-utf-8";

/// Forwards one connection to the broker.
async fn spoiling(broker: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut from_client, mut to_client) = listener.accept().await.unwrap().0.into_split();
        let (mut from_broker, mut to_broker) = TcpStream::connect(broker).await.unwrap().into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_broker, &mut to_client).await });
        let mut buffer = vec![0; 128 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let data = &mut buffer[..read];
            if let Some(found) = data.windows(NAME.len()).position(|window| window == NAME) {
                data[found..found + NAME.len()].fill(0xff);
            }
            to_broker.write_all(data).await.unwrap();
        }
    });
    address
}

/// Puts such a message into the queue of jobs.
async fn send_unreadable(app: &TestApp<skeleton::Postgres>) {
    let url = app.world().amqp_url("contacts");
    let (broker, vhost) = url.trim_start_matches("amqp://contacts@").split_once('/').unwrap();
    let address = spoiling(broker.to_owned()).await;
    let url = format!("amqp://contacts:{}@{address}/{vhost}", broker_password("contacts"));
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert(std::str::from_utf8(NAME).unwrap().into(), AMQPValue::Boolean(true));
    let properties = BasicProperties::default().with_headers(headers);
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let sent = channel.basic_publish("jobs.contacts".into(), ImportFile::KEY.into(), options, b"{}", properties);
    assert!(matches!(sent.await.unwrap().await.unwrap(), lapin::Confirmation::Ack(None)));
    let _ = connection.close(200, "bye".into()).await;
}

fn connections() -> f64 {
    let text = metrics_text();
    let line = text.lines().find(|line| line.starts_with("broker_connections_total") && line.contains("consuming"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

#[tokio::test]
async fn the_policy_of_the_operations_page_removes_a_message_whose_header_name_is_not_utf_8() {
    let app = TestApp::start(probe::service(), &[]).await;
    send_unreadable(&app).await;
    eventually("the connection is lost again and again", async || match connections() {
        many if many >= 5.0 => Ok(()),
        few => Err(format!("{few} connections")),
    })
    .await;

    let policy = json!({
        "pattern": "^contacts\\.(jobs|dead)$",
        "definition": { "delivery-limit": 5 },
        "apply-to": "queues",
    });
    app.world().admin().put(&format!("policies/{}/unreadable", app.world().vhost()), &policy).await.unwrap();

    eventually("the connection stays", async || {
        let before = connections();
        let job = ImportFile { import_id: Uuid::new_v4(), position: 9 };
        let registered = accounts_events::samples::registered();
        let registered = Registered { account_id: Uuid::new_v4(), ..registered };
        app.world().publish(&job, &app.world().envelope_for(&job)).await;
        let mut endings = app.parts().service.endings();
        let event = app.world().publish(&registered, &app.world().envelope_for(&registered)).await;
        while let Ok(Ok(ending)) = tokio::time::timeout(std::time::Duration::from_secs(2), endings.recv()).await {
            if ending.message == event && connections() == before {
                return Ok(());
            }
        }
        Err("nothing was handled, or over another connection".to_owned())
    })
    .await;
    app.finish().await;
}
