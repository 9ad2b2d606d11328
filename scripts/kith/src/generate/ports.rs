//! The services' ports, in the page about deploying.

use anyhow::Result;

use crate::{Service, region};

/// The page.
pub const PATH: &str = "deploy/README.md";

/// The default of `KITH_ADMIN_PORT_BASE`, to which a service's admin port is added.
pub const BASE: u16 = 9100;

/// The page with its table for these services.
pub fn replace(text: &str, services: &[Service]) -> Result<String> {
    let row = |Service { name, admin_port, .. }: &Service| {
        format!("| health and metrics of {name} | {} (`KITH_ADMIN_PORT_BASE` + {admin_port}) |\n", BASE + admin_port)
    };
    let rows: String = services.iter().map(row).collect();
    region::replace_in_page(text, "ports", &format!("| service | port |\n|---|---|\n{rows}"))
}
