//! Schemas, types, examples and versions agree.

use depot_events::PACKAGE;

#[test]
fn schemas_types_examples_and_versions_agree() {
    events::testing::check(&PACKAGE);
}
