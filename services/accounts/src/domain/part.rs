//! The services that take part in the erasure of an account.

/// A service that keeps data of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The service's name.
    pub service: &'static str,
    /// The saga's log text for its confirmation.
    pub step: &'static str,
}

/// This service.
pub const OWN: Part = Part { service: "accounts", step: "accounts has erased its part" };
