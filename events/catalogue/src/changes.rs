//! The differences between two versions of a message, as text.

use std::collections::BTreeMap;

use crate::fields::Field;

/// A difference between two versions.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The new version adds a field.
    Added(Field),
    /// The new version removes a field.
    Removed(Field),
    /// A field has changed.
    Changed {
        /// The field.
        path: String,
        /// Each difference as text.
        how: Vec<String>,
    },
}

/// Returns the differences between the fields of two versions, in the order of the newer.
pub fn changes(old: &[Field], new: &[Field]) -> Vec<Change> {
    let before: BTreeMap<&str, &Field> = old.iter().map(|field| (&*field.path, field)).collect();
    let is_gone = |field: &&Field| !new.iter().any(|other| other.path == field.path);
    let removed = old.iter().filter(is_gone).cloned().map(Change::Removed);
    let others = new.iter().filter_map(|field| match before.get(&*field.path) {
        None => Some(Change::Added(field.clone())),
        Some(old) => {
            let how = differences(old, field, holds_others(field, new));
            (!how.is_empty()).then(|| Change::Changed { path: field.path.clone(), how })
        }
    });
    others.chain(removed).collect()
}

fn holds_others(field: &Field, all: &[Field]) -> bool {
    let inside = format!("{}/", field.path);
    all.iter().any(|other| other.path.starts_with(&inside))
}

/// Describes the differences of a field. If it contains other fields, it need not be marked itself.
fn differences(old: &Field, new: &Field, holds_others: bool) -> Vec<String> {
    let mut how = vec![];
    if old.form != new.form {
        how.push(format!("was {}, is {}", old.form, new.form));
    }
    match (old.required, new.required) {
        (true, false) => how.push("was always there, may be absent".to_owned()),
        (false, true) => how.push("could be absent, is always there".to_owned()),
        _ => {}
    }
    match (old.personal, new.personal) {
        (true, false) if !holds_others => how.push("is no longer marked as personal data".to_owned()),
        (false, true) => how.push("is marked as personal data".to_owned()),
        _ => {}
    }
    if old.description != new.description {
        how.push(format!("meant “{}”, means “{}”", old.description, new.description));
    }
    how
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str) -> Field {
        Field {
            path: path.to_owned(),
            form: "string".to_owned(),
            required: true,
            description: "the name".to_owned(),
            personal: false,
        }
    }

    #[test]
    fn fields_are_added_removed_and_changed() {
        let old = [field("/id"), field("/title"), field("/name")];
        let changed = Field { required: false, personal: true, form: "integer".to_owned(), ..field("/name") };
        let new = [field("/id"), changed, field("/position")];

        let told = changes(&old, &new);

        let how = ["was string, is integer", "was always there, may be absent", "is marked as personal data"];
        assert_eq!(
            told,
            [
                Change::Changed { path: "/name".to_owned(), how: how.map(str::to_owned).to_vec() },
                Change::Added(field("/position")),
                Change::Removed(field("/title")),
            ]
        );
    }

    #[test]
    fn a_mark_that_moves_inside_is_not_lost_but_one_that_goes_is_told() {
        let old = [Field { personal: true, ..field("/name") }, Field { personal: true, ..field("/email") }];
        let new = [field("/name"), Field { personal: true, ..field("/name/full") }, field("/email")];

        let told = changes(&old, &new);

        let how = vec!["is no longer marked as personal data".to_owned()];
        assert_eq!(told, [Change::Added(new[1].clone()), Change::Changed { path: "/email".to_owned(), how }]);
    }
}
