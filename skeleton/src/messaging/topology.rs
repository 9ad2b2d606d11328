//! What a service needs on the broker: exchanges, queues, bindings, and a user that may do nothing else.
//!
//! Applied by an administrator, through the broker's management API, before the service starts. The service itself
//! may configure nothing but queues of its own instances.

use std::{fmt, time::Duration};

use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::handlers::Binding;

/// The header that messages are split by: those of one subject come into one queue.
const SUBJECT: &str = "cloudEvents:subject";

/// A queue and what it is bound to.
#[derive(Clone, Debug, Serialize)]
pub struct QueuePlan {
    /// Its name, `<service>.<kind>`.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What it is bound to.
    pub bindings: Vec<Binding>,
}

/// What a service needs on the broker.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The service, which is also its user's name.
    pub service: String,
    /// Exchanges and their types.
    pub exchanges: Vec<(String, &'static str)>,
    /// The exchange that splits the service's events by subject, and what it is bound to. `None` where they are not split.
    pub splitter: Option<(String, Vec<Binding>)>,
    /// Queues.
    pub queues: Vec<QueuePlan>,
    /// What the user may configure, write to and read from (patterns of RabbitMQ).
    pub rights: Rights,
}

/// The patterns of what a user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// What it may declare and delete.
    pub configure: String,
    /// Where it may publish, and which queues it may bind.
    pub write: String,
    /// What it may consume, and bind from.
    pub read: String,
}

/// The kinds of messages that a service deals with.
#[derive(Clone, Debug, Default)]
pub struct Dealings {
    /// The service.
    pub service: String,
    /// The events it listens to.
    pub events: Vec<Binding>,
    /// Into how many queues they are split; one or none is one.
    pub partitions: u32,
    /// The jobs it works off.
    pub jobs: Vec<Binding>,
    /// The requests it answers.
    pub requests: Vec<Binding>,
    /// The services that ask it.
    pub callers: Vec<String>,
    /// The services that it asks.
    pub asks: Vec<String>,
}

impl Dealings {
    /// What these dealings need on the broker.
    pub fn topology(&self) -> Topology {
        let service = &self.service;
        let mut exchanges = vec![
            (format!("events.{service}"), "topic"),
            (format!("requests.{service}"), "direct"),
            (format!("jobs.{service}"), "direct"),
            (format!("replies.{service}"), "direct"),
            (format!("dead.{service}"), "fanout"),
        ];
        // Others' exchanges too, the same way they declare them: services start in any order.
        exchanges.extend(self.events.iter().map(|binding| (binding.exchange.clone(), "topic")));
        exchanges.extend(self.asks.iter().map(|other| (format!("requests.{other}"), "direct")));
        exchanges.extend(self.callers.iter().map(|other| (format!("replies.{other}"), "direct")));
        exchanges.sort();
        exchanges.dedup();
        let lasting = |name: &str, bindings: &[Binding]| QueuePlan {
            name: format!("{service}.{name}"),
            arguments: json!({
                "x-queue-type": "quorum",
                // A limit keeps requeued messages in their place. Ours counts attempts and parks long before it.
                "x-delivery-limit": 1000,
                "x-dead-letter-exchange": format!("dead.{service}"),
            }),
            bindings: bindings.to_vec(),
        };
        let mut queues = Vec::new();
        let mut splitter = None;
        if !self.events.is_empty() && self.partitions <= 1 {
            queues.push(lasting("events", &self.events));
        } else if !self.events.is_empty() {
            let name = format!("{service}.split");
            let partitions = (0..self.partitions).map(|nth| partition(lasting(&format!("events.{nth}"), &[]), &name));
            queues.extend(partitions);
            splitter = Some((name, self.events.clone()));
        }
        if !self.jobs.is_empty() {
            queues.push(lasting("jobs", &self.jobs));
        }
        if !self.requests.is_empty() {
            let arguments = json!({ "x-max-length": 100_000, "x-overflow": "drop-head" });
            queues.push(QueuePlan { name: format!("{service}.requests"), arguments, bindings: self.requests.clone() });
        }
        let dead = Binding { exchange: format!("dead.{service}"), routing_key: String::new() };
        queues.push(QueuePlan {
            name: format!("{service}.dead"),
            arguments: json!({ "x-queue-type": "quorum" }),
            bindings: vec![dead],
        });
        Topology { service: service.clone(), exchanges, splitter, queues, rights: self.rights() }
    }

    fn rights(&self) -> Rights {
        let service = &self.service;
        let mut write = vec![format!("(events|jobs)\\.{service}"), format!("{service}\\.replies\\..*")];
        write.extend(self.asks.iter().map(|other| format!("requests\\.{other}")));
        write.extend(self.callers.iter().map(|other| format!("replies\\.{other}")));
        Rights {
            configure: format!("^{service}\\.replies\\..*$"),
            write: format!("^({})$", write.join("|")),
            read: format!("^({service}\\..*|replies\\.{service})$"),
        }
    }
}

/// The queue of one partition: the splitter gives it its share of the subjects, and one replica at a time reads it.
fn partition(queue: QueuePlan, splitter: &str) -> QueuePlan {
    let mut queue = queue;
    queue.arguments["x-single-active-consumer"] = json!(true);
    // The key is a weight: all have the same.
    queue.bindings = vec![Binding { exchange: splitter.to_owned(), routing_key: "1".to_owned() }];
    queue
}

impl fmt::Display for Topology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kind) in &self.exchanges {
            writeln!(formatter, "exchange {name} ({kind})")?;
        }
        if let Some((name, bindings)) = &self.splitter {
            writeln!(formatter, "exchange {name} (x-consistent-hash by {SUBJECT})")?;
            for binding in bindings {
                writeln!(formatter, "  from {} with {}", binding.exchange, binding.routing_key)?;
            }
        }
        for queue in &self.queues {
            writeln!(formatter, "queue {} {}", queue.name, queue.arguments)?;
            for binding in &queue.bindings {
                writeln!(formatter, "  from {} with {}", binding.exchange, binding.routing_key)?;
            }
        }
        let Rights { configure, write, read } = &self.rights;
        write!(formatter, "user {} may configure {configure}, write {write}, read {read}", self.service)
    }
}

/// Why a topology could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The management API does not answer.
    #[error("the broker's management API does not answer: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// The broker refuses something, for instance because it is there with other arguments.
    #[error("{what}: the broker refuses: {why}")]
    Refused {
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
}

/// The management API counts messages only every five seconds.
const COUNTS_ARE_NEW_AFTER: Duration = Duration::from_secs(6);

/// A queue of events as they were split before.
struct FormerQueue {
    name: String,
    is_bound: bool,
    messages: Option<u64>,
}

impl FormerQueue {
    /// Whether it is, and stays so.
    fn is_empty(&self) -> bool {
        !self.is_bound && self.messages == Some(0)
    }
}

/// A broker's administrator.
pub struct Admin {
    http: Client,
    url: String,
    vhost: String,
}

impl Admin {
    /// An administrator of one virtual host; the address carries name and password.
    pub fn new(url: &str, vhost: &str) -> Self {
        Self { http: Client::new(), url: url.trim_end_matches('/').to_owned(), vhost: encoded(vhost) }
    }

    /// Makes everything of a topology that is not there, unbinds its queues from what is no longer part of it, and
    /// makes its user with this password.
    ///
    /// # Errors
    /// Where the broker cannot be reached, or has something of the name that is not the same.
    pub async fn apply(&self, topology: &Topology, password: &str) -> Result<(), TopologyError> {
        let vhost = &self.vhost;
        for (name, kind) in &topology.exchanges {
            let path = format!("exchanges/{vhost}/{}", encoded(name));
            self.put(&path, &json!({ "type": kind, "durable": true })).await?;
        }
        if let Some((name, bindings)) = &topology.splitter {
            let arguments = json!({ "hash-header": SUBJECT });
            let path = format!("exchanges/{vhost}/{}", encoded(name));
            self.put(&path, &json!({ "type": "x-consistent-hash", "durable": true, "arguments": arguments })).await?;
            self.bind(&format!("e/{}", encoded(name)), bindings).await?;
        }
        for queue in &topology.queues {
            let name = encoded(&queue.name);
            self.put(&format!("queues/{vhost}/{name}"), &json!({ "durable": true, "arguments": queue.arguments }))
                .await?;
            self.bind(&format!("q/{name}"), &queue.bindings).await?;
        }
        self.retire_event_queues(topology).await?;
        let service = encoded(&topology.service);
        let (path, user) = (format!("users/{service}"), json!({ "password": password, "tags": "" }));
        match self.put(&path, &user).await {
            // Somebody else made it in the same moment; now that it is there, its password is set.
            Err(TopologyError::Refused { why, .. }) if why.contains("user_already_exists") => {
                self.put(&path, &user).await?;
            }
            other => other?,
        }
        let Rights { configure, write, read } = &topology.rights;
        self.put(
            &format!("permissions/{vhost}/{service}"),
            &json!({ "configure": configure, "write": write, "read": read }),
        )
        .await
    }

    /// Binds a queue (`q/<name>`) or an exchange (`e/<name>`) to what is planned, and unbinds it from what an earlier
    /// version of the service listened to.
    async fn bind(&self, place: &str, planned: &[Binding]) -> Result<(), TopologyError> {
        let vhost = &self.vhost;
        for binding in planned {
            let path = format!("bindings/{vhost}/e/{}/{place}", encoded(&binding.exchange));
            self.post(&path, &json!({ "routing_key": binding.routing_key })).await?;
        }
        let bound = match place.split_once('/') {
            Some(("e", name)) => self.get(&format!("exchanges/{vhost}/{name}/bindings/destination")).await?,
            _ => self.get(&format!("queues/{vhost}/{}/bindings", &place[2..])).await?,
        };
        for binding in bound.as_array().into_iter().flatten() {
            let text = |key: &str| binding[key].as_str().unwrap_or_default();
            let is_planned =
                |plan: &Binding| plan.exchange == text("source") && plan.routing_key == text("routing_key");
            // Every queue is bound to the default exchange under its name, and nobody can change that.
            if text("source").is_empty() || planned.iter().any(is_planned) {
                continue;
            }
            let (exchange, key) = (encoded(text("source")), encoded(text("properties_key")));
            self.delete(&format!("bindings/{vhost}/e/{exchange}/{place}/{key}")).await?;
        }
        Ok(())
    }

    /// Queues of the service's events that are not planned any more, since they were split otherwise before: nothing
    /// more comes into them, and replicas work them off. Those that are empty when this is done again are deleted.
    async fn retire_event_queues(&self, topology: &Topology) -> Result<(), TopologyError> {
        let mut retired = self.former_event_queues(topology).await?;
        for queue in &retired {
            self.bind(&format!("q/{}", encoded(&queue.name)), &[]).await?;
        }
        retired.retain(FormerQueue::is_empty);
        if retired.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(COUNTS_ARE_NEW_AFTER).await;
        for queue in self.former_event_queues(topology).await? {
            if queue.is_empty() && retired.iter().any(|before| before.name == queue.name) {
                self.delete(&format!("queues/{}/{}", self.vhost, encoded(&queue.name))).await?;
            }
        }
        Ok(())
    }

    async fn former_event_queues(&self, topology: &Topology) -> Result<Vec<FormerQueue>, TopologyError> {
        let events = format!("{}.events", topology.service);
        let is_former = |queue: &str| {
            let is_of_events = queue.strip_prefix(&events).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            is_of_events && !topology.queues.iter().any(|planned| planned.name == queue)
        };
        let queues = self.get(&format!("queues/{}?columns=name,messages", self.vhost)).await?;
        let mut found = Vec::new();
        for queue in queues.as_array().into_iter().flatten() {
            let Some(name) = queue["name"].as_str().filter(|name| is_former(name)) else { continue };
            let bound = self.get(&format!("queues/{}/{}/bindings", self.vhost, encoded(name))).await?;
            // Every queue is bound to the default exchange.
            let is_bound = bound.as_array().is_some_and(|bindings| bindings.len() > 1);
            found.push(FormerQueue { name: name.to_owned(), is_bound, messages: queue["messages"].as_u64() });
        }
        Ok(found)
    }

    /// Makes something, or leaves it as it is where it is there just so.
    ///
    /// # Errors
    /// Where the broker cannot be reached or refuses.
    pub async fn put(&self, path: &str, body: &Value) -> Result<(), TopologyError> {
        self.send(Method::PUT, path, body).await.map(drop)
    }

    /// Takes something away; what is not there is away already.
    ///
    /// # Errors
    /// Where the broker cannot be reached or refuses.
    pub async fn delete(&self, path: &str) -> Result<(), TopologyError> {
        match self.send(Method::DELETE, path, &Value::Null).await {
            Err(TopologyError::Refused { why, .. }) if why.starts_with("404") => Ok(()),
            other => other.map(drop),
        }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// Where the broker cannot be reached or refuses.
    pub async fn get(&self, path: &str) -> Result<Value, TopologyError> {
        self.send(Method::GET, path, &Value::Null).await
    }

    /// Has the broker do something.
    ///
    /// # Errors
    /// Where the broker cannot be reached or refuses.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, TopologyError> {
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, TopologyError> {
        let mut request = self.http.request(method, format!("{}/api/{path}", self.url));
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() || status == StatusCode::NO_CONTENT {
            return Ok(serde_json::from_str(&text).unwrap_or(Value::Null));
        }
        let reason =
            serde_json::from_str::<Value>(&text).ok().and_then(|body| Some(body["reason"].as_str()?.to_owned()));
        Err(TopologyError::Refused {
            what: path.to_owned(),
            why: format!("{} {}", status.as_u16(), reason.unwrap_or(text)),
        })
    }
}

/// A name as a part of a path.
pub fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
