//! The services in the tests of all services together, in `scripts/xtask`.

use anyhow::Result;

use crate::{Service, region, service::names_of};

/// The macro's file.
pub const MACRO: &str = "scripts/xtask/tests/every_service/mod.rs";

/// The file that has the services as dependencies.
pub const MANIFEST: &str = "scripts/xtask/Cargo.toml";

const HEAD: &str = "\
//! Generated from services/*/service.toml by `cargo kith generate`. Do not edit.

/// Calls a macro with the crate of every service.
macro_rules! every_service {
    ($call:ident) => {
";

/// The macro `every_service`.
pub fn every_service(services: &[Service]) -> String {
    let calls: String = services.iter().map(|service| format!("        $call!({});\n", service.crate_name())).collect();
    format!("{HEAD}{calls}    }};\n}}\n")
}

/// The manifest with its region for these services.
pub fn dependencies(text: &str, services: &[Service]) -> Result<String> {
    let mut names = names_of(services, |_| true);
    names.sort_unstable();
    let lines: String =
        names.into_iter().map(|name| format!("{name} = {{ path = \"../../services/{name}\" }}\n")).collect();
    region::replace(text, "services", &lines)
}
