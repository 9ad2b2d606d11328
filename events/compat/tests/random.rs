//! Random pairs of schemas: if the check reports a pair as safe, the reader never rejects a document.

#![allow(clippy::unwrap_used)]

mod generator;

use std::collections::BTreeMap;

use generator::{Random, change, document, schema};
use schema_compat::{Verdict, compare};
use serde_json::{Value, json};

const PAIRS: u64 = 3_000;
const DOCUMENTS: usize = 20;

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// Set `KITH_SEED` to another start value, for a longer search or to reproduce a failure.
fn first_seed() -> u64 {
    std::env::var("KITH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

fn pairs() -> u64 {
    std::env::var("KITH_PAIRS").ok().and_then(|pairs| pairs.parse().ok()).unwrap_or(PAIRS)
}

#[test]
fn no_document_shows_a_pair_unsafe_that_is_called_safe() {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in first_seed()..first_seed() + pairs() {
        let random = &mut Random::seeded(seed);
        let old = schema(random);
        let new = if random.chance(6) { schema(random) } else { change(&old, random) };
        let told = compare(&old, &new);
        for (verdict, written, read, word) in
            [(&told.backward, &old, &new, "backward"), (&told.forward, &new, &old, "forward")]
        {
            let name = match verdict {
                Verdict::Compatible => "safe",
                Verdict::Incompatible => "broken",
                Verdict::Unknown(_) => "unknown",
            };
            *counts.entry(name).or_default() += 1;
            let (writer, reader) = (validator(written), validator(read));
            if *verdict == Verdict::Compatible {
                for _ in 0..DOCUMENTS {
                    let Some(document) = document(written, random).filter(|document| writer.is_valid(document)) else {
                        continue;
                    };
                    *counts.entry("documents").or_default() += 1;
                    assert!(reader.is_valid(&document), "seed {seed}, {word}: {document}\nold {old}\nnew {new}");
                }
            }
        }
        for broken in &told.breaks {
            let Some(witness) = &broken.witness else { continue };
            let forward = format!("{:?}", broken.direction) == "Forward";
            let (written, read) = if forward { (&new, &old) } else { (&old, &new) };
            assert!(
                validator(written).is_valid(witness),
                "seed {seed}: cannot be written: {broken:?}\nold {old}\nnew {new}"
            );
            assert!(!validator(read).is_valid(witness), "seed {seed}: is read: {broken:?}\nold {old}\nnew {new}");
        }
    }
    println!("{} pairs both ways: {counts:?}", pairs());
    assert!(counts["safe"] > pairs() / 4 && counts["broken"] > pairs() / 4 && counts["documents"] > pairs());
}

/// Returns the same schema, with all of it in a definition.
fn moved(schema: &Value) -> Value {
    let mut whole = schema.clone();
    let mut defs = whole.as_object_mut().unwrap().remove("$defs").unwrap();
    defs["whole"] = whole;
    json!({"$ref": "#/$defs/whole", "$defs": defs})
}

#[test]
fn no_schema_breaks_itself() {
    let mut unknown = 0;
    for seed in first_seed()..first_seed() + pairs() / 4 {
        let schema = schema(&mut Random::seeded(seed));

        let told = compare(&schema, &moved(&schema));

        assert!(compare(&schema, &schema).full(), "seed {seed}: {schema}");
        assert_ne!(told.backward, Verdict::Incompatible, "seed {seed}: {schema}\n{told:?}");
        assert_ne!(told.forward, Verdict::Incompatible, "seed {seed}: {schema}\n{told:?}");
        unknown += u64::from(!told.full());
    }
    println!("{unknown} of {} schemas could not be compared with themselves in a definition", pairs() / 4);
}
