//! A load of HTTP/1.1 requests over a fixed number of connections, each with one request at a time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The result of a load.
pub struct Found {
    /// Answers per second.
    pub rate: f64,
    /// The number of answers.
    pub count: usize,
    /// Latencies in microseconds.
    pub latencies: Vec<f64>,
}

impl Found {
    /// The rate if the work after the load is included, which took this much longer.
    pub fn rate_until_done(&self, after_s: f64) -> f64 {
        let count = self.count as f64;
        count / (count / self.rate + after_s)
    }
}

/// A request in wire format.
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

/// Repeats a request for this long, over this many connections.
///
/// # Errors
/// If a response cannot be parsed or its status is not 2xx.
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

/// One connection at a time; reconnects if the server closes it.
pub struct Lane {
    address: String,
    stream: TcpStream,
    read: Vec<u8>,
}

impl Lane {
    /// Connects.
    pub async fn open(address: &str) -> Result<Self> {
        let (stream, read) = (connect(address).await?, Vec::with_capacity(4096));
        Ok(Self { address: address.to_owned(), stream, read })
    }

    /// Sends a request and reads the whole response.
    pub async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the connection was closed before its answer");
            }
            let Some(answer) = Answer::read(&self.read)? else { continue };
            if self.read.len() < answer.end {
                continue;
            }
            if answer.is_last {
                self.stream = connect(&self.address).await?;
            }
            return Ok(());
        }
    }
}

async fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What the head of a response says about its length.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    /// Where the response ends.
    end: usize,
    /// Whether the server closes the connection after it: Tomcat does so once in a hundred responses.
    is_last: bool,
}

impl Answer {
    /// The response at the start of `read`; `None` if its length is not known yet.
    fn read(read: &[u8]) -> Result<Option<Self>> {
        let Some(head) = read.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&read[..head]).context("the head of a response is not text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap_or_default();
        if !status.starts_with("HTTP/1.1 2") {
            bail!("the server responded {status}: {}", String::from_utf8_lossy(&read[head..]));
        }
        let header = |wanted: &str| {
            let mut headers = lines.clone().filter_map(|line| line.split_once(':'));
            headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        let says = |name: &str, word: &str| header(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        let is_last = says("connection", "close");
        if says("transfer-encoding", "chunked") {
            // The server sends nothing more before the next request, so the last chunk is at the end of `read`.
            let has_ended = read[head..].ends_with(b"\r\n0\r\n\r\n");
            return Ok(has_ended.then_some(Self { end: read.len(), is_last }));
        }
        let length = header("content-length").and_then(|value| value.parse::<usize>().ok());
        let length = length.context("a response has no content-length")?;
        Ok(Some(Self { end: head + 4 + length, is_last }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn end(read: &[u8]) -> Option<usize> {
        Answer::read(read).unwrap().map(|answer| answer.end)
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nthing";

        assert_eq!(end(answer), Some(answer.len()));
        assert_eq!(end(&answer[..20]), None);
        assert!(Answer::read(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_in_chunks_ends_with_its_last() {
        let answer = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthing\r\n0\r\n\r\n";

        assert_eq!(end(answer), Some(answer.len()));
        assert_eq!(end(&answer[..answer.len() - 5]), None);
    }

    #[test]
    fn the_last_answer_of_a_connection_says_so() {
        let answer = b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

        assert_eq!(Answer::read(answer).unwrap(), Some(Answer { end: answer.len(), is_last: true }));
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
