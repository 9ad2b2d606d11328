//! The keywords whose values are schemas (JSON Schema 2020-12, sections 10 and 11 of the core, with `propertyNames`).

/// Those that hold one schema.
pub const ONE: [&str; 10] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
];

/// Those that hold a list of schemas.
pub const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];

/// Those that hold schemas by name, and apply them; definitions only keep theirs.
pub const MAPS: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];
