//! A running broker: what its management API says of exchanges, queues and bindings.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What is on a virtual host of a running broker.
#[derive(Clone, Debug)]
pub struct Broker {
    pub(crate) vhost: String,
    pub(crate) exchanges: Vec<LiveExchange>,
    pub(crate) queues: Vec<LiveQueue>,
    pub(crate) bindings: Vec<LiveBinding>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LiveExchange {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) durable: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LiveQueue {
    pub(crate) name: String,
    pub(crate) durable: bool,
    pub(crate) arguments: Map<String, Value>,
    /// Not there in the first seconds of a queue.
    pub(crate) messages: Option<u64>,
    pub(crate) consumers: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LiveBinding {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) destination_type: String,
    pub(crate) routing_key: String,
    pub(crate) properties_key: String,
}

impl Broker {
    /// What to ask the management API for, below its address: exchanges, queues, bindings.
    pub fn questions(vhost: &str) -> [String; 3] {
        let vhost = encoded(vhost);
        [
            format!("api/exchanges/{vhost}?columns=name,type,durable"),
            format!("api/queues/{vhost}?columns=name,durable,arguments,messages,consumers"),
            format!("api/bindings/{vhost}"),
        ]
    }

    /// Takes the answers to those questions, in the same order.
    ///
    /// # Errors
    /// Where an answer is not what the management API answers.
    pub fn from_answers(vhost: &str, [exchanges, queues, bindings]: [Value; 3]) -> Result<Self, String> {
        let not = |what| move |error| format!("the broker's answer is no list of {what}: {error}");
        Ok(Self {
            vhost: vhost.to_owned(),
            exchanges: serde_json::from_value(exchanges).map_err(not("exchanges"))?,
            queues: serde_json::from_value(queues).map_err(not("queues"))?,
            bindings: serde_json::from_value(bindings).map_err(not("bindings"))?,
        })
    }

    /// The command that takes something away by the management API.
    pub(crate) fn removing(&self, path: &str) -> String {
        let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
        format!("curl -X DELETE \"$KITH_RABBIT_API/api/{kind}/{}/{rest}\"", encoded(&self.vhost))
    }
}

impl LiveBinding {
    /// Whether it is the broker's own: every queue is bound to the default exchange with its name.
    pub(crate) fn is_default(&self) -> bool {
        self.source.is_empty()
    }

    /// Its place below `bindings/<virtual host>`.
    pub(crate) fn place(&self) -> String {
        let kind = if self.destination_type == "queue" { "q" } else { "e" };
        let (from, to) = (encoded(&self.source), encoded(&self.destination));
        // The broker's own word for a binding in an address is encoded already.
        format!("e/{from}/{kind}/{to}/{}", self.properties_key)
    }
}

impl LiveQueue {
    /// How many messages and consumers it has.
    pub(crate) fn counts(&self) -> String {
        let known = |count: Option<u64>| count.map_or("unknown".to_owned(), |count| count.to_string());
        format!("messages: {}, consumers: {}", known(self.messages), known(self.consumers))
    }
}

const IN_A_NAME: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as a part of an address.
pub(crate) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, &IN_A_NAME).to_string()
}

/// Whether a topic exchange takes a key to a binding with a pattern: `*` is one word, `#` any number of them.
pub(crate) fn topic_matches(pattern: &str, key: &str) -> bool {
    let (pattern, key): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), key.split('.').collect());
    words_match(&pattern, &key)
}

fn words_match(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => words_match(rest, key) || !key.is_empty() && words_match(pattern, &key[1..]),
        ([word, rest @ ..], [first, others @ ..]) => (*word == "*" || word == first) && words_match(rest, others),
        _ => false,
    }
}
