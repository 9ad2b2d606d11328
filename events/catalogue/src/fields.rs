//! The fields of a message, for tables.

mod form;
#[cfg(test)]
mod tests;
mod walk;

use serde_json::Value;

use self::walk::inside;
use crate::schema::Place;

/// A field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its pointer; `*` stands for every item of a list and every key of a map.
    pub path: String,
    /// Its type and limits as text.
    pub form: String,
    /// Whether it is always present in the object that contains it.
    pub required: bool,
    /// Its description.
    pub description: String,
    /// Whether it holds personal data.
    pub personal: bool,
}

/// Returns the fields that are read, given the pointers in a contract. A reader of `name.full` also reads `name`; only
/// the longer pointer counts.
pub(crate) fn read_of<'f>(fields: &'f [Field], reads: &[String]) -> Vec<&'f Field> {
    innermost(fields.iter().filter(|field| reads.contains(&field.path)).collect())
}

/// Returns the number of fields, not counting those that only contain others.
pub(crate) fn count(fields: &[Field]) -> usize {
    innermost(fields.iter().collect()).len()
}

fn innermost(fields: Vec<&Field>) -> Vec<&Field> {
    let holds_another = |field: &&Field| {
        let inside = format!("{}/", field.path);
        fields.iter().any(|other| other.path.starts_with(&inside))
    };
    fields.iter().copied().filter(|field| !holds_another(field)).collect()
}

/// Returns the fields of a schema, required ones first, each followed by the fields within it.
pub fn fields(schema: &Value) -> Vec<Field> {
    let mut found = vec![];
    inside(&Place::root(schema).applied(), "", false, &mut vec![], &mut found);
    found
}
