//! Generated from services/*/service.toml by `cargo kith generate`. Do not edit.

use events::catalogue::Package;

/// The messages of all services.
pub const PACKAGES: &[&Package] = &[
    &gateway_events::PACKAGE,
    &accounts_events::PACKAGE,
    &contacts_events::PACKAGE,
    &network_events::PACKAGE,
    &search_events::PACKAGE,
    &notifications_events::PACKAGE,
];
