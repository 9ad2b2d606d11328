//! A broker with exactly what the small repository's contracts name, as RabbitMQ 3.10.8 reported it. The queue of
//! search contains two messages.

use contracts::Broker;
use serde_json::{Value, json};

pub struct Answers {
    pub exchanges: Value,
    pub queues: Value,
    pub bindings: Value,
}

impl Answers {
    pub fn new() -> Self {
        let json = |text| serde_json::from_str(text).unwrap();
        Self {
            exchanges: json(include_str!("exchanges.json")),
            queues: json(include_str!("queues.json")),
            bindings: json(include_str!("bindings.json")),
        }
    }

    pub fn broker(&self) -> Broker {
        let Self { exchanges, queues, bindings } = self;
        Broker::from_answers("/", [exchanges.clone(), queues.clone(), bindings.clone()]).unwrap()
    }

    pub fn add_exchange(&mut self, name: &str) {
        self.exchanges.as_array_mut().unwrap().push(json!({"name": name, "type": "topic", "durable": true}));
    }

    pub fn add_queue(&mut self, name: &str) {
        self.queues.as_array_mut().unwrap().push(json!({"name": name, "durable": true, "arguments": {}}));
        self.bind("", name, name, name);
    }

    pub fn bind(&mut self, exchange: &str, queue: &str, key: &str, properties_key: &str) {
        self.bindings.as_array_mut().unwrap().push(json!({
            "source": exchange, "vhost": "/", "destination": queue, "destination_type": "queue",
            "routing_key": key, "arguments": {}, "properties_key": properties_key
        }));
    }

    pub fn without_binding(mut self, queue: &str) -> Self {
        let bindings = self.bindings.as_array_mut().unwrap();
        bindings.retain(|binding| binding["destination"] != queue || binding["source"] == "");
        self
    }

    pub fn queue(&mut self, name: &str) -> &mut Value {
        named(&mut self.queues, name)
    }

    pub fn exchange(&mut self, name: &str) -> &mut Value {
        named(&mut self.exchanges, name)
    }
}

fn named<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    list.as_array_mut().unwrap().iter_mut().find(|one| one["name"] == name).unwrap()
}
