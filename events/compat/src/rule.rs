//! The rules that can be broken, and their names.

use crate::Direction;

/// A rule, from the reader's side: what it does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Type,
    OtherType,
    Value,
    Variant,
    Minimum,
    Maximum,
    MultipleOf,
    MinLength,
    MaxLength,
    Pattern,
    Format,
    MinItems,
    MaxItems,
    UniqueItems,
    Contains,
    Required,
    Refused,
    FieldName,
    MinProperties,
    MaxProperties,
    DependentRequired,
    Condition,
}

impl Rule {
    /// Returns the stable name: the change from the old schema to the new one.
    pub(crate) fn name(self, direction: Direction) -> &'static str {
        let (backward, forward) = match self {
            Self::Type => ("type-narrowed", "type-widened"),
            Self::OtherType => ("type-changed", "type-changed"),
            Self::Value => ("enum-value-removed", "enum-value-added"),
            Self::Variant => ("variant-removed", "variant-added"),
            Self::Minimum => ("minimum-raised", "minimum-lowered"),
            Self::Maximum => ("maximum-lowered", "maximum-raised"),
            Self::MultipleOf => ("multiple-of-narrowed", "multiple-of-widened"),
            Self::MinLength => ("min-length-raised", "min-length-lowered"),
            Self::MaxLength => ("max-length-lowered", "max-length-raised"),
            Self::Pattern => ("pattern-narrowed", "pattern-widened"),
            Self::Format => ("format-added", "format-removed"),
            Self::MinItems => ("min-items-raised", "min-items-lowered"),
            Self::MaxItems => ("max-items-lowered", "max-items-raised"),
            Self::UniqueItems => ("unique-items-added", "unique-items-removed"),
            Self::Contains => ("contains-narrowed", "contains-widened"),
            Self::Required => ("required-added", "required-removed"),
            Self::Refused => ("field-refused", "field-added-to-closed"),
            Self::FieldName => ("field-name-narrowed", "field-name-widened"),
            Self::MinProperties => ("min-properties-raised", "min-properties-lowered"),
            Self::MaxProperties => ("max-properties-lowered", "max-properties-raised"),
            Self::DependentRequired => ("dependent-required-added", "dependent-required-removed"),
            Self::Condition => ("condition-narrowed", "condition-widened"),
        };
        if direction == Direction::Backward { backward } else { forward }
    }

    /// Returns the rule for a keyword that rejected a value.
    pub(crate) fn of_keyword(keyword: &str) -> Self {
        match keyword {
            "type" => Self::Type,
            "enum" | "const" => Self::Value,
            "anyOf" | "oneOf" => Self::Variant,
            "minimum" | "exclusiveMinimum" => Self::Minimum,
            "maximum" | "exclusiveMaximum" => Self::Maximum,
            "multipleOf" => Self::MultipleOf,
            "minLength" => Self::MinLength,
            "maxLength" => Self::MaxLength,
            "pattern" => Self::Pattern,
            "format" => Self::Format,
            "minItems" => Self::MinItems,
            "maxItems" => Self::MaxItems,
            "uniqueItems" => Self::UniqueItems,
            "contains" | "minContains" | "maxContains" => Self::Contains,
            "required" => Self::Required,
            "additionalProperties" | "unevaluatedProperties" | "falseSchema" | "items" | "unevaluatedItems" => {
                Self::Refused
            }
            "propertyNames" => Self::FieldName,
            "minProperties" => Self::MinProperties,
            "maxProperties" => Self::MaxProperties,
            "dependentRequired" => Self::DependentRequired,
            _ => Self::Condition,
        }
    }
}
