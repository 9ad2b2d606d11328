//! The settings, and the resources that routes and handlers look up by type.

use std::time::Duration;

use skeleton::{
    Sections,
    http::{
        RateLimits, RateSettings,
        auth::{AccessTokens, TokenRules},
    },
};

use crate::{ended::Ended, http::WebSettings, live::Live};

/// The rules for access tokens issued by accounts.
const TOKENS: TokenRules =
    TokenRules { issuer: "kith", audience: "kith-api", token_type: "at+jwt", leeway: Duration::from_secs(5) };

/// The settings and the resources built from them.
pub fn settings() -> Sections {
    Sections::of(include_str!("../config/default.toml"))
        .section::<WebSettings>("web")
        .provides("rates", |rates: RateSettings| Ok::<_, String>(RateLimits::new(&rates)))
        .with(AccessTokens::new(&TOKENS))
        .with(Ended::new())
        .with(Live::new())
}
