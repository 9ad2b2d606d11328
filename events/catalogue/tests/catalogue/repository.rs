//! A small temporary repository: `orders` publishes, answers and runs jobs; `billing` consumes and calls.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use contracts::Contracts;
use serde_json::{Value, json};

/// A folder that is deleted on drop.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("catalogue-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, content: &Value) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }

    pub fn contracts(&self) -> Contracts {
        Contracts::read(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If deletion fails, the folder stays in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Creates the complete repository.
pub fn repository() -> Folder {
    let folder = Folder::new();
    schemas(&folder);
    folder.write("services/orders/contract.json", &orders());
    folder.write("services/billing/contract.json", &billing());
    folder
}

/// The first version of an event, which `billing` receives but reads as the second.
pub fn order_placed() -> Value {
    json!({
        "title": "OrderPlaced",
        "description": "Someone has ordered <things>.</script>",
        "x-kith": {"kind": "event", "subject": "order_id"},
        "type": "object",
        "properties": {
            "order_id": {"type": "string", "description": "the order"},
            "buyer": {"type": "string", "description": "who has ordered", "x-personal-data": true},
            "coupon": {"type": "string", "description": "what made it cheaper"},
        },
        "required": ["order_id", "buyer"],
        "examples": [{"order_id": "o1", "buyer": "Grace Hopper"}],
    })
}

fn schemas(folder: &Folder) {
    let mut second = order_placed();
    second["properties"]["items"] = json!({"type": "integer", "description": "how many things"});
    second["properties"].as_object_mut().unwrap().remove("coupon");
    second["required"] = json!(["order_id", "buyer", "items"]);
    second["examples"][0]["items"] = json!(3);
    let message = |kind: &str, fields: Value| {
        let description = format!("A {kind}.");
        json!({"description": description, "x-kith": {"kind": kind}, "type": "object", "properties": fields})
    };
    let mut find = message("request", json!({"order_id": {"type": "string"}}));
    find["x-kith"]["reply"] = json!("order-view.v1");
    let person = json!({"type": "object", "properties": {"name": {"type": "string", "x-personal-data": true}}});
    let mut view = message("reply", json!({"buyer": {"$ref": "#/$defs/Person"}}));
    view["$defs"] = json!({"Person": person});
    view["examples"] = json!([{"buyer": {"name": "Grace Hopper"}}]);
    folder.write("events/schemas/orders/order-placed.v1.json", &order_placed());
    folder.write("events/schemas/orders/order-placed.v2.json", &second);
    folder.write("events/schemas/orders/find-order.v1.json", &find);
    folder.write("events/schemas/orders/cancel-order.v1.json", &message("request", json!({})));
    folder.write("events/schemas/orders/order-view.v1.json", &view);
    folder.write("events/schemas/orders/pack-order.v1.json", &message("job", json!({"order_id": {"type": "string"}})));
}

fn orders() -> Value {
    let reading = |name: &str, reads: &[&str]| json!({"message": name, "reads": reads});
    json!({
        "service": "orders",
        "consumes": [],
        "answers": [reading("orders.find-order.v1", &["/order_id"]), reading("orders.cancel-order.v1", &[])],
        "jobs": [reading("orders.pack-order.v1", &["/order_id"])],
        "asks": [],
        "callers": ["billing"],
        "topology": {"exchanges": [], "queues": [
            queue("orders.requests", "requests.orders", &["find-order.v1", "cancel-order.v1"]),
            queue("orders.jobs", "jobs.orders", &["pack-order.v1"]),
        ]},
    })
}

fn billing() -> Value {
    json!({
        "service": "billing",
        "consumes": [{"message": "orders.order-placed.v2", "reads": ["/order_id", "/items"]}],
        "answers": [],
        "jobs": [],
        "asks": ["orders"],
        "callers": [],
        "topology": {"exchanges": [], "queues": [
            queue("billing.events", "events.orders", &["order-placed.v1", "order-placed.v2"]),
        ]},
    })
}

fn queue(name: &str, exchange: &str, keys: &[&str]) -> Value {
    let bindings: Vec<Value> = keys.iter().map(|key| json!({"exchange": exchange, "routing_key": key})).collect();
    json!({"name": name, "arguments": {"x-queue-type": "quorum"}, "bindings": bindings})
}
