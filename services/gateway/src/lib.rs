//! Gateway: the public API, the live stream and the web app. It calls the other services and has no business rules.

mod caller;
mod consumers;
mod ended;
mod housekeeping;
mod http;
mod live;
mod resources;
mod store;
mod views;

use skeleton::{Postgres, Service};

/// Assembles the gateway.
pub fn service() -> Service<Postgres> {
    Service::of(&gateway_events::PACKAGE)
        .settings(resources::settings())
        .store(Postgres::migrated_by(store::MIGRATIONS))
        .calls(&["accounts", "contacts", "network", "search", "notifications"])
        .consumes(consumers::subscriptions())
        .routes(http::routes, http::BODY_LIMITS)
        .housekeeping(housekeeping::tasks())
}
