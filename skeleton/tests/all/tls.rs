//! TLS to all servers. The certificate of the test servers is valid only for `localhost`, so `127.0.0.1` is a wrong
//! name for it. Besides the authority that signed it, there is an unrelated one.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use skeleton::{
    Elasticsearch, Environment, Neo4j, Postgres, ServiceContext, Settings, StoreError,
    mail::{Mail, MailSettings, Mailer},
    messaging::{rabbit::Login, topology::Admin},
    partner::{Partner, PartnerSettings},
    store::{
        Store, StoreBuilder, Transaction,
        limits::{CallAdmission, Limit, SharedLimits},
    },
    testing::{Servers, World, eventually},
    tls::Tls,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// How a server is reached: its host name and the file of authorities.
type Way = (&'static str, &'static str);

const RIGHT: Way = ("localhost", "ca.crt");
const WRONG: [Way; 3] = [("localhost", "stranger.crt"), ("127.0.0.1", "ca.crt"), ("localhost", "")];

fn file(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(variable("KITH_TEST_TLS"));
    (!name.is_empty()).then(|| folder.join(name))
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start the servers with deploy/native/servers"))
}

/// `user@host:port`, the password, and the rest of a server's address.
fn reached_by(url: &str, host: &str) -> (String, String) {
    let (url, password) = Servers::without_password(url);
    (url.replace("127.0.0.1", host), password)
}

/// Settings of a store.
fn settings(url: &str, password: &str, authorities: &str) -> Settings {
    let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
    settings.set("store", "url", url);
    settings.set("store", "password", password);
    if let Some(file) = file(authorities) {
        settings.set("store", "tls_ca_file", file.display().to_string());
    }
    settings
}

/// The correct host and authority work, and each wrong one fails because of the certificate.
async fn only_the_right_way<T, E: std::fmt::Display>(what: &str, go: impl AsyncFn(Way) -> Result<T, E>) {
    if let Err(error) = go(RIGHT).await {
        panic!("{what}: {error}");
    }
    for way in WRONG {
        match timeout(Duration::from_secs(20), go(way)).await {
            Ok(Err(_)) => {}
            Ok(Ok(_)) => panic!("{what}: {way:?} was accepted"),
            Err(_) => panic!("{what}: {way:?} was not refused in time"),
        }
    }
}

fn postgres((host, authorities): Way) -> Postgres {
    let (url, password) = reached_by(&Servers::from_env().postgres, host);
    let settings = settings(&format!("{url}?sslmode=require"), &password, authorities);
    Postgres::migrated_by(&[]).open(&settings).unwrap()
}

#[tokio::test]
async fn postgres_is_reached_with_tls_and_its_certificate_is_checked() {
    only_the_right_way("postgres", async |way| postgres(way).ping().await).await;

    let rows = postgres(RIGHT).query("select ssl from pg_stat_ssl where pid = pg_backend_pid()", &[]).await.unwrap();

    assert!(rows[0].get::<_, bool>(0), "the session is not encrypted");
}

#[tokio::test]
async fn a_statement_is_cancelled_over_tls() {
    let store = postgres(RIGHT);
    let service = Arc::new(ServiceContext::new("contacts", Environment::system()));
    let mut tx = store.begin(&service, &[]).await.unwrap();
    let mark = format!("cancelled over tls {}", uuid::Uuid::new_v4());
    let sleeping = format!("select pg_sleep(25) /* {mark} */");
    assert!(timeout(Duration::from_millis(500), tx.query(&sleeping, &[])).await.is_err());
    let runs = "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and state = 'active' and query like '%' || $1";
    let running = async || store.query(runs, &[&format!("{mark} */")]).await.unwrap()[0].get::<_, i64>(0);
    assert_eq!(running().await, 1);

    let began = std::time::Instant::now();
    tx.rollback().await;

    assert!(began.elapsed() < Duration::from_secs(4), "the statement was not cancelled: {:?}", began.elapsed());
    eventually("the statement ends", async || match running().await {
        0 => Ok(()),
        _ => Err("the statement still runs".to_owned()),
    })
    .await;
}

#[tokio::test]
async fn rabbitmq_is_reached_with_tls_and_its_certificate_is_checked() {
    let world = World::new().await;
    let (url, password) = Servers::without_password(&Servers::from_env().amqp);
    let user = url.split_once("://").unwrap().1.split('@').next().unwrap().to_owned();
    let port = variable("KITH_TEST_AMQPS_PORT");

    only_the_right_way("rabbitmq", async |(host, authorities)| {
        let mut settings = world.broker_settings("contacts");
        settings.url = format!("amqps://{user}@{host}:{port}/{}", world.vhost());
        settings.password = password.as_str().into();
        settings.tls_ca_file = file(authorities);
        Login::new(&settings).unwrap().connect("a test").await
    })
    .await;
}

#[tokio::test]
async fn the_brokers_management_api_is_reached_with_tls_and_its_certificate_is_checked() {
    let (url, password) = Servers::without_password(&Servers::from_env().rabbit_api);
    let user = url.split_once("://").unwrap().1.split('@').next().unwrap().to_owned();
    let port = variable("KITH_TEST_RABBIT_API_PORT");

    only_the_right_way("management", async |(host, authorities)| {
        let tls = Tls::new(file(authorities).as_deref(), false).unwrap();
        let url = format!("https://{user}:{password}@{host}:{port}");
        Admin::checking(&url, "/", &tls).unwrap().get("overview").await
    })
    .await;
    let error = Admin::checking("http://admin:secret@broker.example.org:15672", "/", &Tls::default()).err().unwrap();
    assert!(error.to_string().contains("broker.example.org would be reached without TLS"), "{error}");
}

#[tokio::test]
async fn neo4j_is_reached_with_tls_and_its_certificate_is_checked() {
    let (url, password) = Servers::without_password(&Servers::from_env().neo4j);
    let open = |scheme: &str, host: &str, authorities: &str| {
        let url = url.replace("127.0.0.1", host).replace("bolt://", scheme);
        Neo4j::migrated_by(&[]).open(&settings(&url, &password, authorities))
    };

    only_the_right_way("neo4j", async |(host, authorities)| open("bolt+s://", host, authorities).unwrap().ping().await)
        .await;

    let error = open("bolt+ssc://", "localhost", "ca.crt").err().unwrap().to_string();
    assert!(error.contains("does not check certificates"), "{error}");
}

/// Terminates TLS in front of Elasticsearch, which has either TLS or plain text, as an operator's proxy does.
async fn ends_tls_for(server: String) -> SocketAddr {
    let certificates = CertificateDer::pem_file_iter(file("server.crt").unwrap()).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key").unwrap()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.map(Result::unwrap).collect(), key)
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let Ok(mut near) = acceptor.accept(near).await else { return };
                let mut far = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn elasticsearch_is_reached_with_tls_and_its_certificate_is_checked() {
    let (url, password) = Servers::without_password(&Servers::from_env().elasticsearch);
    let (user, place) = url.trim_start_matches("http://").split_once('@').unwrap();
    let port = ends_tls_for(place.to_owned()).await.port();

    only_the_right_way("elasticsearch", async |(host, authorities)| {
        let url = format!("https://{user}@{host}:{port}");
        Elasticsearch::indexed_by(&[]).open(&settings(&url, &password, authorities)).unwrap().ping().await
    })
    .await;
}

fn mailer(url: &str, tls_ca_file: Option<PathBuf>) -> Result<Mailer, String> {
    let limits: PartnerSettings =
        serde_json::from_str(r#"{"calls":1000,"period_ms":1000,"at_once":8,"attempts":1}"#).unwrap();
    let partner = Partner::new("mail", limits, Unlimited, Environment::system());
    let settings = MailSettings {
        url: url.to_owned(),
        tls_ca_file,
        allow_plaintext: false,
        user: String::new(),
        password: "".into(),
        from: "Kith <kith@localhost>".to_owned(),
    };
    Mailer::new(settings, partner)
}

/// Every call has its turn at once.
struct Unlimited;

impl SharedLimits for Unlimited {
    fn take_turn<'a>(&'a self, _: &'a Limit, _: uuid::Uuid) -> BoxFuture<'a, Result<CallAdmission, StoreError>> {
        Box::pin(async { Ok(CallAdmission::Now) })
    }

    fn end_turn<'a>(&'a self, _: &'a Limit, _: uuid::Uuid) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn the_mail_server_is_reached_with_tls_and_its_certificate_is_checked() {
    let plain = variable("KITH_MAIL_URL");
    let port = plain.rsplit(':').next().unwrap();
    let secured = variable("KITH_TEST_SMTPS_PORT");
    let mail = Mail {
        to: "somebody@example.org".to_owned(),
        subject: "TLS".to_owned(),
        text: "over TLS".to_owned(),
        id: uuid::Uuid::new_v4().to_string(),
    };

    only_the_right_way("STARTTLS", async |(host, authorities)| {
        mailer(&format!("smtp://{host}:{port}?tls=required"), file(authorities)).unwrap().send(&mail).await
    })
    .await;
    only_the_right_way("SMTPS", async |(host, authorities)| {
        mailer(&format!("smtps://{host}:{secured}"), file(authorities)).unwrap().send(&mail).await
    })
    .await;
}

#[tokio::test]
async fn plain_text_to_another_machine_is_refused_before_anything_is_sent() {
    let refused = |text: String| {
        assert!(text.contains("server.example.org would be reached without TLS"), "{text}");
        assert!(text.contains("allow_plaintext"), "{text}");
    };
    for url in ["postgres://me@server.example.org/db", "postgres://me@server.example.org/db?sslmode=prefer"] {
        refused(Postgres::migrated_by(&[]).open(&settings(url, "secret", "")).err().unwrap().to_string());
    }
    for url in ["bolt://me@server.example.org:7687", "neo4j://me@server.example.org"] {
        refused(Neo4j::migrated_by(&[]).open(&settings(url, "secret", "")).err().unwrap().to_string());
    }
    let url = "http://me@server.example.org:9200";
    refused(Elasticsearch::indexed_by(&[]).open(&settings(url, "secret", "")).err().unwrap().to_string());
    for url in ["smtp://server.example.org:25", "smtp://server.example.org:25?tls=opportunistic"] {
        refused(mailer(url, None).err().unwrap());
    }
    let mut broker: skeleton::config::BrokerSettings =
        Settings::read_with("contacts", "", Default::default()).unwrap().section("broker").unwrap();
    broker.url = "amqp://me@server.example.org:5672/%2f".to_owned();
    refused(Login::new(&broker).err().unwrap().to_string());
    broker.allow_plaintext = true;
    assert!(Login::new(&broker).is_ok());
}
