//! Which build of a service runs.

/// The build: what `KITH_BUILD` was when the skeleton was compiled, such as a commit, or else the version.
pub(super) fn build() -> &'static str {
    option_env!("KITH_BUILD").unwrap_or(env!("CARGO_PKG_VERSION"))
}
