//! The test proxy injects exactly the requested faults.

use std::{io::ErrorKind, time::Duration};

use skeleton::testing::{Fault, Proxy, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{Instant, timeout},
};

/// Long for a machine, short for a person.
const SOON: Duration = Duration::from_secs(5);
const A_MOMENT: Duration = Duration::from_millis(200);

/// A server that echoes all data, and at the end the number of bytes.
struct Echo {
    place: String,
    serving: AbortHandle,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = connection.split();
                    if let Ok(count) = tokio::io::copy(&mut from, &mut to).await {
                        let _ = to.write_all(format!("after {count}").as_bytes()).await;
                    }
                });
            }
        });
        Self { place, serving: serving.abort_handle() }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn connected(proxy: &Proxy) -> TcpStream {
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(is_echoed(&mut connection, b"hello").await);
    connection
}

async fn is_echoed(connection: &mut TcpStream, said: &[u8]) -> bool {
    let mut heard = vec![0; said.len()];
    let talk = async {
        connection.write_all(said).await?;
        connection.read_exact(&mut heard).await
    };
    timeout(SOON, talk).await.is_ok_and(|talked| talked.is_ok()) && heard == said
}

async fn comes_soon(connection: &mut TcpStream) -> bool {
    timeout(A_MOMENT, connection.read_u8()).await.is_ok()
}

/// The data until the connection ends, and whether it ends with a reset.
async fn read_to_the_end(connection: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    let ended = timeout(SOON, connection.read_to_end(&mut read)).await.expect("it ends");
    (read, ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset))
}

#[tokio::test]
async fn without_a_fault_all_comes_through_with_its_end() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;
    let said = vec![7; 300_000];

    let (mut from, mut to) = connection.split();
    let mut heard = Vec::new();
    let saying = async {
        to.write_all(&said).await.unwrap();
        to.shutdown().await.unwrap();
    };
    tokio::join!(saying, async { from.read_to_end(&mut heard).await.unwrap() });

    assert_eq!(heard, [&said[..], b"after 300005"].concat());
    eventually("no connection is open", async || match proxy.open() {
        0 => Ok(()),
        open => Err(format!("{open} open")),
    })
    .await;
}

#[tokio::test]
async fn what_is_late_is_late_both_ways_and_in_its_order() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;
    proxy.fault(Fault::Latency { mean: Duration::from_millis(150), jitter: Duration::from_millis(50) });

    let begun = Instant::now();
    for number in 0..20 {
        connection.write_u8(number).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut heard = [0; 20];
    timeout(SOON, connection.read_exact(&mut heard)).await.unwrap().unwrap();
    let took = begun.elapsed();
    proxy.heal();
    let begun = Instant::now();
    assert!(is_echoed(&mut connection, b"in time").await);

    assert_eq!(heard.to_vec(), (0..20).collect::<Vec<u8>>());
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(2), "{took:?}");
    assert!(begun.elapsed() < A_MOMENT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nothing_comes_out_of_a_black_hole_until_it_is_healed() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut old = connected(&proxy).await;

    proxy.fault(Fault::Timeout);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    old.write_u8(1).await.unwrap();
    new.write_u8(2).await.unwrap();
    proxy.holds(2).await;
    assert!(!comes_soon(&mut old).await && !comes_soon(&mut new).await);
    proxy.heal();

    assert_eq!((old.read_u8().await.unwrap(), new.read_u8().await.unwrap()), (1, 2));
}

#[tokio::test]
async fn a_server_can_hear_without_being_heard() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;

    proxy.fault_down(Fault::Timeout);
    connection.write_all(b"heard").await.unwrap();
    connection.shutdown().await.unwrap();
    assert!(!comes_soon(&mut connection).await);
    proxy.heal();

    assert_eq!(read_to_the_end(&mut connection).await.0, b"heardafter 10");
}

#[tokio::test]
async fn what_is_cut_in_a_black_hole_never_arrives() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;
    proxy.fault_up(Fault::Timeout);
    connection.write_all(b"lost").await.unwrap();
    proxy.holds(4).await;

    proxy.cut();
    proxy.heal();

    assert!(!String::from_utf8(read_to_the_end(&mut connection).await.0).unwrap().contains("lost"));
    connected(&proxy).await;
}

#[tokio::test]
async fn old_and_new_connections_are_reset_after_their_time() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut old = connected(&proxy).await;

    proxy.fault(Fault::ResetPeer { after: A_MOMENT });
    let begun = Instant::now();
    assert_eq!(read_to_the_end(&mut old).await, (vec![], true));
    assert!(begun.elapsed() >= A_MOMENT);
    let mut new = connected(&proxy).await;
    assert_eq!(read_to_the_end(&mut new).await, (vec![], true));
    proxy.heal();

    let mut healed = connected(&proxy).await;
    assert!(timeout(2 * A_MOMENT, healed.read_u8()).await.is_err());
}

#[tokio::test]
async fn what_is_sliced_comes_byte_by_byte() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;

    proxy.fault_down(Fault::Slicer { most: 1, pause: Duration::from_millis(20) });
    connection.write_all(b"sliced").await.unwrap();
    let (mut heard, mut reads) = (Vec::new(), 0);
    while heard.len() < 6 {
        heard.push(connection.read_u8().await.unwrap());
        // No more data is available yet.
        reads += usize::from(connection.try_read(&mut [0; 8]).is_err());
    }

    assert_eq!(heard, b"sliced");
    assert!(reads > 2, "{reads} reads found no more data");
}

#[tokio::test]
async fn no_more_comes_through_than_there_is_bandwidth_for() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;

    proxy.fault_down(Fault::Bandwidth { bytes_per_second: 8_000 });
    let begun = Instant::now();
    assert!(is_echoed(&mut connection, &[3; 8_000]).await);
    let took = begun.elapsed();

    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn each_connection_ends_after_its_bytes_and_the_seed_says_after_how_many() {
    let echo = Echo::start().await;
    let mut counts = Vec::new();
    for seed in [1, 1, 2] {
        let proxy = Proxy::with_seed(&echo.place, seed).await;
        proxy.fault_down(Fault::LimitData { least: 10, most: 5_000 });
        for _ in 0..5 {
            let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
            connection.write_all(&[5; 8_000]).await.unwrap();
            counts.push(read_to_the_end(&mut connection).await.0.len());
        }
    }

    assert!(counts.iter().all(|count| (10..=5_000).contains(count)), "{counts:?}");
    assert_eq!(counts[..5], counts[5..10]);
    assert_ne!(counts[..5], counts[10..]);
}

#[tokio::test]
async fn a_stream_that_is_half_closed_ends_and_the_other_goes_on() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;

    proxy.fault_up(Fault::HalfClose);

    assert_eq!(read_to_the_end(&mut connection).await.0, b"after 5");
}

#[tokio::test]
async fn nobody_listens_until_it_is_healed_and_the_port_stays_the_same() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.place).await;
    let mut connection = connected(&proxy).await;

    proxy.fault(Fault::Refuse);
    read_to_the_end(&mut connection).await;
    for _ in 0..3 {
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
    proxy.heal();

    eventually("the port is open", async || {
        TcpStream::connect(proxy.address()).await.map_err(|error| error.to_string())
    })
    .await;
    connected(&proxy).await;
}

#[tokio::test]
async fn a_server_that_is_down_resets_and_is_reached_once_it_is_up() {
    let echo = Echo::start().await;
    let place = echo.place.clone();
    let proxy = Proxy::before(&place).await;
    drop(echo);
    eventually("the server is down", async || {
        match TcpStream::connect(&place).await {
            Ok(_) => Err("it is up"),
            Err(_) => Ok(()),
        }
        .map_err(str::to_owned)
    })
    .await;

    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();

    assert_eq!(read_to_the_end(&mut connection).await, (vec![], true));
}
