//! The tables of a message's page: fields, receivers, headers.

use contracts::Reading;
use maud::{Markup, html};
use serde_json::Value;

use super::{Site, Version, dotted, frame, meaning};
use crate::{
    Hop, Reads,
    fields::{Field, count, read_of},
};

/// Renders every field with its meaning and its readers.
pub(super) fn fields(site: &Site, top: &str, version: &Version) -> Markup {
    let readers = |path: &str| {
        let reads = |hop: &&Hop| matches!(&hop.reads, Reads::Fields(reads) if reads.iter().any(|read| read == path));
        version.flow.hops.iter().filter(reads).map(|hop| &*hop.receiver).collect::<Vec<_>>()
    };
    let is_read = version.flow.hops.iter().any(|hop| matches!(hop.reads, Reads::Fields(_)));
    html! {
        @if version.fields.is_empty() { p { "It has no fields." } } @else {
            table .fields {
                thead { tr { th { "Field" } th { "Form" } th { "Meaning" } @if is_read { th { "Read by" } } } }
                tbody {
                    @for field in &version.fields {
                        tr {
                            td .name { (path(field)) }
                            td data-label="form" {
                                span .form { (field.form) }
                                @if !field.required { " " span .mark.optional { "optional" } }
                                @if field.personal { " " span .mark.personal { "personal data" } }
                            }
                            td .meaning { (field.description) }
                            @if is_read {
                                td data-label="read by" { (frame::services(site, top, readers(&field.path))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Renders the path of a field, with its parents in a fainter colour.
fn path(field: &Field) -> Markup {
    let (before, name) =
        field.path.trim_start_matches('/').rsplit_once('/').unwrap_or(("", field.path.trim_start_matches('/')));
    html! {
        code { @if !before.is_empty() { span .before { (before) "." } wbr; } (name) }
    }
}

/// Renders the receivers of the message, their queues, and the part that each reads.
pub(super) fn receivers(site: &Site, top: &str, version: &Version) -> Markup {
    html! {
        table .receivers {
            thead { tr { th { "Receiver" } th { "Queue" } th { "Fields it reads" } } }
            tbody {
                @for hop in &version.flow.hops {
                    tr {
                        td .name { (frame::service(site, top, &hop.receiver)) }
                        td data-label="queue" { code { (hop.queue) } }
                        td data-label="reads" { (reads(hop, &version.fields)) }
                    }
                }
            }
        }
    }
}

fn reads(hop: &Hop, fields: &[Field]) -> Markup {
    let reads = match &hop.reads {
        Reads::NotListed => return html! { "not listed: contracts do not cover replies" },
        Reads::As(version) => return html! { "upcast to v" (version) " first: see there" },
        Reads::Fields(reads) => read_of(fields, reads),
    };
    let all = count(fields);
    html! {
        @if reads.len() == all { "all " (all) } @else {
            (reads.len()) " of " (all) @if !reads.is_empty() { ": " }
            @for (index, field) in reads.iter().enumerate() {
                @if index > 0 { ", " }
                code { (dotted(&field.path)) }
            }
        }
    }
}

/// Renders headers with their values.
pub(super) fn headers(headers: &[(String, Value)]) -> Markup {
    html! {
        table .headers {
            tbody {
                @for (name, value) in headers {
                    tr { th scope="row" { code { (name) } } td { code { (value.as_str().unwrap_or_default()) } } }
                }
            }
        }
    }
}

/// Renders the messages that a service reads, each with the number of fields that it reads.
pub(super) fn readings(site: &Site, top: &str, readings: &[Reading]) -> Markup {
    html! {
        ul .list {
            @for reading in readings {
                @let version = site.versions().find(|version| version.message.name == reading.message);
                li {
                    (frame::message(top, &reading.message))
                    @if let Some(Version { message, fields, .. }) = version {
                        span .aside { (meaning(message)) }
                        span .share { (read_of(fields, &reading.reads).len()) " of " (count(fields)) " fields" }
                    }
                }
            }
        }
    }
}
