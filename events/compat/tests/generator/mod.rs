//! Random schemas with the keywords that ours use, random changes of them, and documents for them.

mod documents;

pub use documents::document;

use serde_json::{Map, Value, json};

/// A stream of random choices, determined by a seed.
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// SplitMix64: the same on every machine, and independent of library versions.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True once in the given number of times, on average.
    pub fn chance(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "kind"];
const WORDS: [&str; 4] = ["a", "b", "c", "d"];
const PATTERNS: [&str; 4] = ["^[a-z]+$", "^a", "[0-9]", "^.{2}$"];

/// Returns a random schema of a message.
pub fn schema(random: &mut Random) -> Value {
    let mut top = record(random, 3);
    top["$defs"] = json!({"n": record(random, 2), "m": value(random, 1)});
    top
}

fn record(random: &mut Random, depth: usize) -> Value {
    let mut properties = Map::new();
    for _ in 0..random.below(4) {
        properties.insert((*random.one(&NAMES)).to_owned(), value(random, depth - 1));
    }
    let required: Vec<&str> =
        NAMES.into_iter().filter(|name| properties.contains_key(*name) && random.chance(2)).collect();
    let mut made = json!({"type": "object", "properties": properties, "required": required});
    match random.below(14) {
        0 => made["additionalProperties"] = json!(false),
        1 => made["additionalProperties"] = value(random, 0),
        2 => made["dependentRequired"] = json!({*random.one(&NAMES): [random.one(&NAMES)]}),
        3 => made["maxProperties"] = json!(1 + random.below(3)),
        4 => made["patternProperties"] = json!({*random.one(&["^x-", "^k", "a"]): value(random, 0)}),
        5 => made["allOf"] = json!([record(random, depth.min(2))]),
        6 => made["if"] = json!({"properties": {"a": value(random, 0)}, "required": ["a"]}),
        _ => {}
    }
    if made.get("if").is_some() {
        made["then"] = json!({"required": [random.one(&NAMES)]});
    }
    made
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 13 }) {
        0 => text(random),
        1 => number(random),
        2 => json!({"type": random.one(&["boolean", "null", "string"])}),
        3 => json!({"type": ["null", random.one(&["string", "integer", "number"])]}),
        4 => json!({"type": "string", "enum": &WORDS[random.below(2)..2 + random.below(3)]}),
        5 => json!({"const": random.one(&[json!("a"), json!(1), json!(null)])}),
        6 | 7 => list(random, depth),
        8 => json!({"$ref": random.one(&["#/$defs/n", "#/$defs/m"])}),
        9 => json!({*random.one(&["anyOf", "oneOf"]): [value(random, depth - 1), value(random, depth - 1)]}),
        10 => variants(random, depth),
        11 if random.chance(4) => json!({"not": value(random, 0)}),
        _ => record(random, depth),
    }
}

fn variants(random: &mut Random, depth: usize) -> Value {
    let count = 1 + random.below(3);
    let all: Vec<Value> = WORDS[..count].iter().map(|word| variant(word, random, depth)).collect();
    json!({*random.one(&["anyOf", "oneOf"]): all})
}

fn variant(word: &str, random: &mut Random, depth: usize) -> Value {
    let mut made = record(random, depth);
    made["properties"]["kind"] = json!({"const": word});
    made["required"] = json!(["kind"]);
    made
}

fn list(random: &mut Random, depth: usize) -> Value {
    let mut made = json!({"type": "array", "items": value(random, depth - 1)});
    match random.below(8) {
        0 => made["minItems"] = json!(random.below(3)),
        1 => made["maxItems"] = json!(random.below(3)),
        2 => made["uniqueItems"] = json!(true),
        3 => made["prefixItems"] = json!([value(random, 0)]),
        4 => made["items"] = json!(false),
        5 => made["contains"] = value(random, 0),
        _ => {}
    }
    made
}

fn text(random: &mut Random) -> Value {
    let mut made = json!({"type": "string"});
    match random.below(7) {
        0 => made["minLength"] = json!(random.below(3)),
        1 => made["maxLength"] = json!(random.below(4)),
        2 => made["format"] = json!(random.one(&["uuid", "date-time"])),
        3 => made["pattern"] = json!(random.one(&PATTERNS)),
        _ => {}
    }
    made
}

fn number(random: &mut Random) -> Value {
    let mut made = json!({"type": random.one(&["integer", "number"])});
    let bounds = [json!(0), json!(1), json!(2), json!(0.5), json!(10)];
    match random.below(6) {
        0 => made["minimum"] = random.one(&bounds).clone(),
        1 => made["maximum"] = random.one(&bounds).clone(),
        2 => made["exclusiveMinimum"] = random.one(&bounds).clone(),
        3 => made["multipleOf"] = random.one(&[json!(1), json!(2), json!(3), json!(0.5)]).clone(),
        _ => {}
    }
    made
}

/// Returns the schema with one to three changes.
pub fn change(schema: &Value, random: &mut Random) -> Value {
    let mut made = schema.clone();
    for _ in 0..=random.below(3) {
        change_one(&mut made, random, 3);
    }
    made
}

fn change_one(schema: &mut Value, random: &mut Random, depth: usize) {
    if let Some(Value::Object(defs)) = schema.get_mut("$defs")
        && random.chance(4)
    {
        let inner = defs.get_mut(*random.one(&["n", "m"])).unwrap();
        return change_one(inner, random, 2);
    }
    let Value::Object(fields) = schema else { return *schema = value(random, 0) };
    if let (Some(items), true) = (fields.get_mut("items"), random.chance(2)) {
        return change_one(items, random, depth.saturating_sub(1));
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(Value::Array(all)) = fields.get_mut(keyword) {
            let at = random.below(all.len());
            match random.below(4) {
                0 => remove_one(all, at),
                1 => all.push(variant(WORDS[random.below(4)], random, 1)),
                _ => change_one(&mut all[at], random, depth.saturating_sub(1)),
            }
            return;
        }
    }
    if fields.contains_key("properties") {
        return change_record(fields, random, depth);
    }
    match (fields.get("type").and_then(Value::as_str), random.below(5)) {
        (Some("string"), 1..) => *schema = text(random),
        (Some("integer" | "number"), 1..) => *schema = number(random),
        _ => *schema = value(random, depth.saturating_sub(1)),
    }
}

/// Removes a variant; a list of variants may not be empty.
fn remove_one(all: &mut Vec<Value>, at: usize) {
    all.remove(at);
    if all.is_empty() {
        all.push(json!({"type": "null"}));
    }
}

fn change_record(fields: &mut Map<String, Value>, random: &mut Random, depth: usize) {
    let name = (*random.one(&NAMES)).to_owned();
    let required = fields.entry("required").or_insert_with(|| json!([])).as_array_mut().unwrap();
    match random.below(8) {
        0 if !required.contains(&json!(name)) => return required.push(json!(name)),
        1 => return required.retain(|known| *known != json!(name)),
        2 => drop(fields.remove("additionalProperties")),
        _ => {}
    }
    let properties = fields["properties"].as_object_mut().unwrap();
    match (properties.get_mut(&name), random.below(4)) {
        (Some(_), 0) => drop(properties.remove(&name)),
        (Some(inner), _) => change_one(inner, random, depth.saturating_sub(1)),
        (None, _) => drop(properties.insert(name, value(random, depth.saturating_sub(1)))),
    }
}
