//! A running broker: the exchanges, queues and bindings that its management API reports.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The state of a virtual host of a running broker.
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
    /// Missing in the first seconds after the queue was declared.
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
    /// Returns the paths to query in the management API: exchanges, queues, bindings.
    pub fn questions(vhost: &str) -> [String; 3] {
        let vhost = encoded(vhost);
        [
            format!("api/exchanges/{vhost}?columns=name,type,durable"),
            format!("api/queues/{vhost}?columns=name,durable,arguments,messages,consumers"),
            format!("api/bindings/{vhost}"),
        ]
    }

    /// Parses the responses to those queries, in the same order.
    ///
    /// # Errors
    /// Returns an error if a response is not of the expected form.
    pub fn from_answers(vhost: &str, [exchanges, queues, bindings]: [Value; 3]) -> Result<Self, String> {
        let not = |what| move |error| format!("the broker's response is not a list of {what}: {error}");
        Ok(Self {
            vhost: vhost.to_owned(),
            exchanges: serde_json::from_value(exchanges).map_err(not("exchanges"))?,
            queues: serde_json::from_value(queues).map_err(not("queues"))?,
            bindings: serde_json::from_value(bindings).map_err(not("bindings"))?,
        })
    }

    /// Returns the command that deletes an object through the management API.
    pub(crate) fn removing(&self, path: &str) -> String {
        let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
        format!("curl -X DELETE \"$KITH_RABBIT_API/api/{kind}/{}/{rest}\"", encoded(&self.vhost))
    }
}

impl LiveBinding {
    /// Whether the broker created the binding: every queue is bound to the default exchange under its name.
    pub(crate) fn is_default(&self) -> bool {
        self.source.is_empty()
    }

    /// Its path below `bindings/<virtual host>`.
    pub(crate) fn place(&self) -> String {
        let kind = if self.destination_type == "queue" { "q" } else { "e" };
        let (from, to) = (encoded(&self.source), encoded(&self.destination));
        // The properties key is percent-encoded already.
        format!("e/{from}/{kind}/{to}/{}", self.properties_key)
    }
}

impl LiveQueue {
    /// Returns its numbers of messages and consumers as text.
    pub(crate) fn counts(&self) -> String {
        let known = |count: Option<u64>| count.map_or("unknown".to_owned(), |count| count.to_string());
        format!("messages: {}, consumers: {}", known(self.messages), known(self.consumers))
    }
}

const IN_A_NAME: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a name for use in a URL path.
pub(crate) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, &IN_A_NAME).to_string()
}

/// Whether a topic exchange routes a key to a binding pattern: `*` matches one word, `#` any number of words.
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
