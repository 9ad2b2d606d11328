//! Pointers to a place in a document (RFC 6901).

/// A name as a step of a pointer.
pub(crate) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
