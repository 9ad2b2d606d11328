//! The part of a message that a consumer reads.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Message,
    fields::{field_in, fields_of},
};

/// The part of a message that a consumer reads: all of it, or a type with only the fields that the consumer needs.
///
/// The fewer fields a consumer reads, the fewer changes of the message affect it. [`excerpt!`](crate::excerpt) defines
/// such types.
pub trait Excerpt: DeserializeOwned + Send + 'static {
    /// The message.
    type Of: Message;
}

impl<M: Message> Excerpt for M {
    type Of = M;
}

/// Defines types that read a part of a message.
///
/// ```ignore
/// use contacts_events::{ContactAddedV2, ContactChangedV2};
///
/// events::excerpt! {
///     /// The name of a contact.
///     struct Called { contact_id: uuid::Uuid, name: Name }
///     /// A name.
///     struct Name { full: String }
///     /// A contact that was added.
///     struct Added(Called) of ContactAddedV2;
///     /// A contact that was changed.
///     struct Changed(Called) of ContactChangedV2;
/// }
/// ```
#[macro_export]
macro_rules! excerpt {
    () => {};
    ($(#[$note:meta])* $vis:vis struct $name:ident ($inner:ty) of $message:ty; $($rest:tt)*) => {
        $(#[$note])*
        #[derive($crate::serde::Deserialize)]
        #[serde(crate = "events::serde")]
        $vis struct $name(pub $inner);
        impl $crate::Excerpt for $name { type Of = $message; }
        $crate::excerpt! { $($rest)* }
    };
    ($(#[$note:meta])* $vis:vis struct $name:ident { $($field:ident : $type:ty),* $(,)? } of $message:ty; $($rest:tt)*) => {
        $crate::excerpt! { $(#[$note])* $vis struct $name { $($field: $type),* } }
        impl $crate::Excerpt for $name { type Of = $message; }
        $crate::excerpt! { $($rest)* }
    };
    ($(#[$note:meta])* $vis:vis struct $name:ident { $($field:ident : $type:ty),* $(,)? } $($rest:tt)*) => {
        $(#[$note])*
        #[derive($crate::serde::Deserialize)]
        #[serde(crate = "events::serde")]
        $vis struct $name { $(#[allow(missing_docs)] pub $field: $type),* }
        $crate::excerpt! { $($rest)* }
    };
}

/// Returns the fields of the message that the type reads, as pointers; `*` stands for every item of a list.
///
/// They are found by deserializing the schema's examples as the type and recording which fields it ignores. A field
/// that no example contains counts as read.
///
/// # Panics
/// Panics if the type cannot read an example of its message: the type is wrong.
pub fn fields_read<E: Excerpt>() -> Vec<String> {
    let name = E::Of::NAME;
    let entry = E::Of::ENTRY;
    let schema: Value = serde_json::from_str(entry.schema).unwrap_or_default();
    let mut ignored = BTreeSet::new();
    for example in schema["examples"].as_array().into_iter().flatten() {
        let read: Result<E, _> = serde_ignored::deserialize(example.clone(), |path| {
            ignored.insert(pointer(&path));
        });
        if let Err(error) = read {
            panic!("{} cannot read an example of {name}: {error}", std::any::type_name::<E>());
        }
    }
    let is_ignored = |field: &String| {
        ignored.iter().any(|ignored| {
            field.strip_prefix(ignored.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    fields_of(entry).into_keys().filter(|field| !is_ignored(field)).collect()
}

fn pointer(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, .. } => format!("{}/*", pointer(parent)),
        Path::Map { parent, key } => field_in(&pointer(parent), key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => pointer(parent),
    }
}
