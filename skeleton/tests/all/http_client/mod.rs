//! A server on a free port, and a client that sends exactly the given bytes.
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use skeleton::http::{Drained, HttpSettings, Routes, serve};
use skeleton::stop::{self, Stop, StopSender};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Longer than anything here may take, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Settings with short timeouts.
pub fn impatient() -> HttpSettings {
    HttpSettings { header_timeout_ms: 200, body_idle_timeout_ms: 200, drain_ms: 10_000, ..HttpSettings::default() }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub stop: StopSender,
    served: JoinHandle<Drained>,
}

impl Server {
    pub async fn start(settings: HttpSettings, routes: impl FnOnce(Stop) -> Routes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = stop::channel();
        let served = tokio::spawn(serve(listener, routes(stopped.clone()), settings, stopped));
        Self { address, stop, served }
    }

    /// Sends one request on a new connection.
    pub async fn ask(&self, request: &str) -> Answer {
        let mut caller = self.call().await;
        caller.say(request).await;
        caller.answer().await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")).await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let head = format!("POST {path} HTTP/1.1\r\nhost: here\r\ncontent-type: {content_type}\r\n");
        self.ask(&format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await
    }

    pub async fn call(&self) -> Caller {
        Caller::of(self.address).await
    }

    pub async fn drained(self) -> Drained {
        within(self.served).await.unwrap()
    }
}

/// One connection.
pub struct Caller {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Caller {
    pub async fn of(server: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(server).await.unwrap(), read: Vec::new() }
    }

    pub async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until a text has arrived.
    pub async fn hear(&mut self, expected: &str) {
        while !String::from_utf8_lossy(&self.read).contains(expected) {
            assert!(
                self.read_more().await,
                "closed before {expected:?}, after {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// Reads until the connection is closed or reset; returns the received data.
    pub async fn heard_until_closed(mut self) -> String {
        while self.read_more().await {}
        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// The next response; `None` if the connection is closed instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some((answer, length)) = Answer::parse(&self.read) {
                self.read.drain(..length);
                return Some(answer);
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    async fn read_more(&mut self) -> bool {
        within(self.stream.read_buf(&mut self.read)).await.is_ok_and(|length| length > 0)
    }
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    fn parse(read: &[u8]) -> Option<(Self, usize)> {
        let text = String::from_utf8_lossy(read);
        let (head, rest) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let answer = Self { status, head: head.to_owned(), body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let body = rest.get(..length)?.to_owned();
        Some((Self { body, ..answer }, head.len() + 4 + length))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status and code of the problem in the response.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        (self.status, problem["type"].as_str().unwrap().replace("urn:kith:problem:", ""))
    }
}

/// Waits for something that must happen.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, work).await.expect("it happens in time")
}
