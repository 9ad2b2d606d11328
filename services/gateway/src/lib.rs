//! Gateway: the public API, the live stream and the web app. It asks the other services and decides nothing.

mod caller;
mod consumers;
mod ended;
mod housekeeping;
mod http;
mod idempotency;
mod live;
mod store;
mod tokens;
mod views;

use skeleton::{Postgres, Service, http::RateLimits};

/// The gateway, assembled.
pub fn service() -> Service<Postgres> {
    Service::named("gateway")
        .settings(include_str!("../config/default.toml"))
        .store(Postgres::migrated_by(store::MIGRATIONS))
        .section::<http::WebSettings>("web")
        .provides("rates", |rates| Ok::<_, String>(RateLimits::new(&rates)))
        .with(tokens::Tokens::new())
        .with(ended::Ended::new())
        .with(live::Live::new())
        .asks(&["accounts", "contacts", "network", "search", "notifications"])
        .consumes(consumers::subscriptions())
        .routes(http::routes, http::BODY_LIMITS)
        .background("revocations", housekeeping::keep_revocations)
        .background("live streams", housekeeping::keep_streams)
        .background("signing keys", housekeeping::renew_keys)
        .background("housekeeping", housekeeping::clean_up)
}
