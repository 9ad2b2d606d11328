//! Generated from services/*/service.toml by `cargo kith generate`. Do not edit.

use super::part::Part;

/// The services besides this one that keep data of accounts: an erasure is finished when each has confirmed.
pub const OTHERS: &[Part] = &[CONTACTS, GATEWAY, NETWORK, NOTIFICATIONS, SEARCH];

/// The service `contacts`.
pub const CONTACTS: Part = Part { service: "contacts", step: "contacts has erased its part" };

/// The service `gateway`.
pub const GATEWAY: Part = Part { service: "gateway", step: "gateway has erased its part" };

/// The service `network`.
pub const NETWORK: Part = Part { service: "network", step: "network has erased its part" };

/// The service `notifications`.
pub const NOTIFICATIONS: Part = Part { service: "notifications", step: "notifications has erased its part" };

/// The service `search`.
pub const SEARCH: Part = Part { service: "search", step: "search has erased its part" };
