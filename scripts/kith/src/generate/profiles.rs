//! The profiles of the services in the workspace's `Cargo.toml`.

use anyhow::Result;

use crate::{Service, region, service::names_of};

/// The file.
pub const PATH: &str = "Cargo.toml";

/// The file with its region for these services.
pub fn replace(text: &str, services: &[Service]) -> Result<String> {
    let mut names = names_of(services, |service| !service.optimized);
    names.sort_unstable();
    let lines: String =
        names.into_iter().map(|name| format!("[profile.dev.package.{name}]\nopt-level = 0\n")).collect();
    region::replace(text, "profiles", &lines)
}
