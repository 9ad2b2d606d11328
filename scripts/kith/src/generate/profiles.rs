//! The profiles of the services, and the packages of their messages, in the workspace's `Cargo.toml`.

use anyhow::Result;

use crate::{Service, region};

/// The file.
pub const PATH: &str = "Cargo.toml";

/// The file with its region for these services.
pub fn replace(text: &str, services: &[Service]) -> Result<String> {
    let mut services: Vec<&Service> = services.iter().collect();
    services.sort_by(|one, other| one.name.cmp(&other.name));
    let packages = services.iter().map(|service| format!("{}-events", service.name));
    let unoptimized = services.iter().filter(|service| !service.optimized).map(|service| service.name.clone());
    let profiles: String = packages
        .chain(unoptimized)
        .map(|package| format!("[profile.dev.package.{package}]\nopt-level = 0\n"))
        .collect();
    let dependencies: String = services
        .iter()
        .map(|Service { name, .. }| format!("{name}-events = {{ path = \"events/schemas/{name}\" }}\n"))
        .collect();
    let text = region::replace(text, "profiles", &profiles)?;
    region::replace(&text, "packages", &dependencies)
}
