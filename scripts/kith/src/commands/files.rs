//! `services`, `generate` and `check`.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use kith_cli::{Generated, services};

/// Lists the services.
pub fn list(root: &Path) -> Result<ExitCode> {
    for service in services(root)? {
        println!("{:<16} {:<14} {}", service.name, service.store.name(), service.admin_port);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the generated files.
pub fn generate(root: &Path) -> Result<ExitCode> {
    for file in Generated::all(root, &services(root)?)? {
        if file.write(root)? {
            println!("wrote {}", file.path);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Fails if a generated file is out of date.
pub fn check(root: &Path) -> Result<ExitCode> {
    let stale = Generated::stale(root)?;
    if stale.is_empty() {
        println!("generated files are up to date");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("error: out of date: {}; run `cargo kith generate`", stale.join(", "));
    Ok(ExitCode::FAILURE)
}
