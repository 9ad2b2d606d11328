//! The frame, style and headers of all pages.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};
use warp::http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS},
};

use crate::http::Response;

const STYLE: &str = include_str!("style.css");

/// Allows only the page itself, its own style, and forms to this port.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// A whole page.
pub(super) fn page(service: &str, status: StatusCode, title: &str, content: &Markup) -> Response {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - " (service) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#content" { "Skip to content" }
                header {
                    strong { (service) }
                    nav aria-label="Pages" {
                        a href="/parked" { "Parked messages" }
                        a href="/parked/audit" { "Audit trail" }
                    }
                }
                main id="content" {
                    h1 { (title) }
                    (content)
                }
            }
        }
    };
    let mut response = Response::new(whole.into_string().into());
    *response.status_mut() = status;
    let policy = HeaderValue::from_str(&POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let fixed = |value| HeaderValue::from_static(value);
    let headers: [(HeaderName, HeaderValue); 5] = [
        (CONTENT_TYPE, fixed("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, fixed("no-store")),
        // Not `no-referrer`: browsers would then hide the origin of our own forms.
        (REFERRER_POLICY, fixed("same-origin")),
        (X_FRAME_OPTIONS, fixed("DENY")),
    ];
    response.headers_mut().extend(headers);
    response
}

/// An error, announced at once by screen readers.
pub(super) fn alert(text: &str) -> Markup {
    html! { p class="alert" role="alert" { (text) } }
}

/// A labelled field of one line.
pub(super) fn field(id: &str, name: &str, label: &str, value: &str) -> Markup {
    html! {
        div class="field" {
            label for=(id) { (label) }
            input id=(id) name=(name) value=(value);
        }
    }
}

/// A table that scrolls if it is too wide for the screen.
pub(super) fn table(caption: &str, heads: &[&str], rows: &Markup) -> Markup {
    html! {
        div class="scrolls" role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        }
    }
}
