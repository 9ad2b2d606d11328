//! Schemas, types, examples and versions agree; excerpts and masks follow the schemas.

mod excerpts;
mod masks;
mod versions;

use contacts_events::PACKAGE;

#[test]
fn schemas_types_examples_and_versions_agree() {
    events::testing::check(&PACKAGE);
}
