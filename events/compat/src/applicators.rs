//! The keywords whose values are schemas (JSON Schema 2020-12, sections 10 and 11 of the core, with `propertyNames`).

/// Keywords with one schema.
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

/// Keywords with a list of schemas.
pub const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];

/// Keywords with schemas by name that apply to the value; definitions do not apply by themselves.
pub const MAPS: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];
