//! A mail server for tests: keeps received mails, forwards none, and records all connections.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{Visit, Visits};

/// A mail as the server received it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedMail {
    /// The recipients.
    pub to: Vec<String>,
    /// Headers and text, with lines ended by `\n`; non-ASCII text is still encoded.
    pub raw: String,
}

/// A mail server on loopback. Mail to `refused@...` is refused permanently, mail to `later@...` temporarily.
pub struct SmtpSink {
    address: std::net::SocketAddr,
    mails: Arc<Mutex<Vec<ReceivedMail>>>,
    visits: Visits,
    is_away: Arc<AtomicBool>,
}

impl SmtpSink {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_slow(Duration::ZERO).await
    }

    /// Starts one that takes this long for each mail.
    pub async fn start_slow(pace: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let sink = Self { address, mails: Arc::default(), visits: Visits::default(), is_away: Arc::default() };
        let (mails, visits, is_away) = (sink.mails.clone(), sink.visits.clone(), sink.is_away.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let visit = visits.begin();
                // A connection that breaks off has promised nothing.
                if is_away.load(Ordering::Relaxed) {
                    tokio::spawn(send_away(stream, visit));
                } else {
                    tokio::spawn(converse(stream, mails.clone(), visit, pace));
                }
            }
        });
        sink
    }

    /// `smtp://host:port`
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// All mails so far.
    pub async fn mails(&self) -> Vec<ReceivedMail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All connections, with or without a mail.
    pub fn visits(&self) -> &Visits {
        &self.visits
    }

    /// Starts or stops refusing all mail with code 421.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }
}

async fn send_away(stream: TcpStream, visit: Visit) -> std::io::Result<()> {
    let (_, mut writing) = stream.into_split();
    drop(visit);
    say(&mut writing, "421 closed for now").await
}

/// The visit ends before the client reads the last reply: a client that waits for it can only reconnect later.
async fn converse(
    stream: TcpStream,
    mails: Arc<Mutex<Vec<ReceivedMail>>>,
    visit: Visit,
    pace: Duration,
) -> std::io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    let mut mail = ReceivedMail::default();
    say(&mut writing, "220 test").await?;
    while let Some(line) = lines.next_line().await? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-test\r\n250-8BITMIME\r\n250 SMTPUTF8",
            "RCPT" => take_recipient(&mut mail, &line),
            "DATA" => {
                say(&mut writing, "354 end with a single dot").await?;
                mail.raw = text(&mut lines).await?;
                tokio::time::sleep(pace).await;
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut mail));
                "250 kept"
            }
            "QUIT" => {
                drop(visit);
                return say(&mut writing, "221 bye").await;
            }
            _ => "250 go on",
        };
        say(&mut writing, answer).await?;
    }
    Ok(())
}

fn take_recipient(mail: &mut ReceivedMail, line: &str) -> &'static str {
    let address = line.split(['<', '>']).nth(1).unwrap_or_default();
    if address.starts_with("refused@") {
        return "550 there is no such mailbox";
    }
    if address.starts_with("later@") {
        return "451 try again later";
    }
    mail.to.push(address.to_owned());
    "250 go on"
}

async fn text(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> std::io::Result<String> {
    let mut text = String::new();
    while let Some(line) = lines.next_line().await? {
        if line == "." {
            break;
        }
        // A dot at the start of a line is sent twice.
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
    Ok(text)
}

async fn say(writing: &mut OwnedWriteHalf, answer: &str) -> std::io::Result<()> {
    writing.write_all(format!("{answer}\r\n").as_bytes()).await
}
