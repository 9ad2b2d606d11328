//! Generates the types from the schema files in this folder.

fn main() {
    events_generator::generate();
}
