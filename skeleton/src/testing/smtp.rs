//! A mail server for tests: keeps what it is given, and sends none on.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A mail as the server was given it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedMail {
    /// To whom.
    pub to: Vec<String>,
    /// Headers and text, its lines ended by `\n`; what is not ASCII is still encoded.
    pub raw: String,
}

/// A mail server on loopback. Mail to `refused@...` is refused for good, mail to `later@...` for now.
pub struct SmtpSink {
    address: std::net::SocketAddr,
    mails: Arc<Mutex<Vec<ReceivedMail>>>,
}

impl SmtpSink {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let mails: Arc<Mutex<Vec<ReceivedMail>>> = Arc::default();
        let kept = mails.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A conversation that breaks off has promised nothing.
                tokio::spawn(converse(stream, kept.clone()));
            }
        });
        Self { address, mails }
    }

    /// `smtp://host:port`
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Every mail so far.
    pub async fn mails(&self) -> Vec<ReceivedMail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn converse(stream: TcpStream, mails: Arc<Mutex<Vec<ReceivedMail>>>) -> std::io::Result<()> {
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
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut mail));
                "250 kept"
            }
            "QUIT" => return say(&mut writing, "221 bye").await,
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
