//! The services, and the packages of their messages, in the tools and tests of all services together: `scripts/xtask`.

use anyhow::Result;

use super::{NOTICE, packages_of};
use crate::{Service, region, service::names_of};

/// The macro's file.
pub const MACRO: &str = "scripts/xtask/tests/every_service/mod.rs";

/// The file that has the services as dependencies.
pub const MANIFEST: &str = "scripts/xtask/Cargo.toml";

const HEAD: &str = "
/// Calls a macro with the crate of every service.
macro_rules! every_service {
    ($call:ident) => {
";

/// The macro `every_service`.
pub fn every_service(services: &[Service]) -> String {
    let calls: String = services.iter().map(|service| format!("        $call!({});\n", service.crate_name())).collect();
    format!("{NOTICE}\n{HEAD}{calls}    }};\n}}\n")
}

/// The file that has a list of the packages.
pub const PACKAGES: &str = "scripts/xtask/src/packages.rs";

const PACKAGES_HEAD: &str = "
use events::catalogue::Package;

/// The messages of all services.
pub const PACKAGES: &[&Package] = &[
";

/// The list of the packages.
pub fn packages(services: &[Service]) -> String {
    let package = |service: &Service| format!("    &{}_events::PACKAGE,\n", service.crate_name());
    format!("{NOTICE}\n{PACKAGES_HEAD}{}];\n", services.iter().map(package).collect::<String>())
}

/// The manifest with its regions for these services.
pub fn dependencies(text: &str, services: &[Service]) -> Result<String> {
    let mut names = names_of(services, |_| true);
    names.sort_unstable();
    let packages = packages_of(names.iter().copied());
    let services: String =
        names.iter().map(|name| format!("{name} = {{ path = \"../../services/{name}\" }}\n")).collect();
    let text = region::replace(text, "packages", &packages)?;
    region::replace(&text, "services", &services)
}
