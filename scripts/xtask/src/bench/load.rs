//! A load of HTTP/1.1 requests over a fixed number of connections, each sending one after the other.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What the load found.
pub struct Found {
    /// Answers a second.
    pub rate: f64,
    /// How many there were.
    pub count: usize,
    /// How long each took, in microseconds.
    pub latencies: Vec<f64>,
}

/// A request as it goes over the wire.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// Sends a request again and again for so long, over so many connections.
///
/// # Errors
/// Where an answer is none, or has another status than 2xx.
pub async fn run(address: &str, connections: usize, length: Duration, request: &[u8]) -> Result<Found> {
    let began = Instant::now();
    let lanes = (0..connections).map(async |_| {
        let mut lane = Lane::open(address).await?;
        let mut latencies = Vec::new();
        while began.elapsed() < length {
            let asked = Instant::now();
            lane.ask(request).await?;
            latencies.push(asked.elapsed().as_secs_f64() * 1e6);
        }
        anyhow::Ok(latencies)
    });
    let latencies = try_join_all(lanes).await?.concat();
    Ok(Found { rate: latencies.len() as f64 / began.elapsed().as_secs_f64(), count: latencies.len(), latencies })
}

/// One connection.
pub struct Lane {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Lane {
    /// Connects.
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads its answer to the end.
    pub async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the connection was closed before its answer");
            }
            if let Some(end) = end_of_answer(&self.read)?
                && self.read.len() >= end
            {
                return Ok(());
            }
        }
    }
}

/// How long the answer is that begins here, once its head is there.
fn end_of_answer(read: &[u8]) -> Result<Option<usize>> {
    let Some(head) = read.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&read[..head]).context("the head of an answer is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 2") {
        bail!("an answer says {status}: {}", String::from_utf8_lossy(&read[head..]));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    Ok(Some(head + 4 + length.context("an answer does not say how long it is")?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nthing";

        assert_eq!(end_of_answer(answer).unwrap(), Some(answer.len()));
        assert_eq!(end_of_answer(&answer[..20]).unwrap(), None);
        assert!(end_of_answer(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn a_request_with_a_body_says_how_long_it_is() {
        let text = String::from_utf8(request("POST", "/things", &[], "{}")).unwrap();

        assert!(
            text.starts_with("POST /things HTTP/1.1\r\n") && text.ends_with("content-length: 2\r\n\r\n{}"),
            "{text}"
        );
    }
}
