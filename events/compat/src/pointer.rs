//! JSON pointers (RFC 6901).

/// Escapes a name for use in a pointer.
pub(crate) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
