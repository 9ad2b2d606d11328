//! The parts of every page: the head, the navigation, and the labels of services, kinds and messages.

use contracts::{Kind, MessageName};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Site, page_of};
use crate::asyncapi::word;

/// Renders a page; `top` is the relative path to the top of the site.
pub(super) fn page(site: &Site, top: &str, title: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Kith messages" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href={ (top) "style.css" };
                script src={ (top) "catalogue.js" } defer {}
            }
            body {
                a .skip href="#content" { "Skip to the content" }
                header .bar {
                    a .home href={ (top) "index.html" } { "Kith " span { "messages" } }
                    nav aria-label="Services" {
                        @for service in site.services() { (self::service(site, top, service)) }
                    }
                }
                main #content { (body) }
                footer {
                    "Generated from the schemas and the contracts of the services. For tools: "
                    a href={ (top) "asyncapi/kith.json" } { "AsyncAPI of all services" } "."
                }
            }
        }
    };
    page.into_string()
}

/// Renders a service in its colour, as a link to its page if it has one.
pub(super) fn service(site: &Site, top: &str, name: &str) -> Markup {
    let class = format!("service hue-{}", site.hue(name));
    html! {
        @if site.contracts.services.contains_key(name) {
            a class=(class) href={ (top) "services/" (name) ".html" } { (name) }
        } @else {
            span class=(class) title="not one of the services here" { (name) }
        }
    }
}

/// Renders several services, or "none".
pub(super) fn services<'n>(site: &Site, top: &str, names: impl IntoIterator<Item = &'n str>) -> Markup {
    let mut names = names.into_iter().peekable();
    html! {
        span .services {
            @if names.peek().is_none() { span .nobody { "none" } }
            @for name in names { (service(site, top, name)) " " }
        }
    }
}

/// Renders a kind of message.
pub(super) fn kind(kind: Kind) -> Markup {
    let word = word(kind);
    html! { span class={ "kind " (word) } { (word) } }
}

/// Renders a message as a link to its version on its page.
pub(super) fn message(top: &str, name: &MessageName) -> Markup {
    html! {
        a .message href={ (top) (page_of(name)) } {
            (name.owner) "." wbr; (name.name) span .number { ".v" (name.version) }
        }
    }
}

/// Renders a value as text, one line for each of its parts.
pub(super) fn json(value: &serde_json::Value) -> Markup {
    html! { pre tabindex="0" { code { (format!("{value:#}")) } } }
}

/// Renders a picture that may be wider than a phone: it scrolls in its frame.
pub(super) fn picture(label: &str, svg: PreEscaped<String>) -> Markup {
    html! { div .picture role="region" tabindex="0" aria-label=(label) { (svg) } }
}
