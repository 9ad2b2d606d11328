//! The picture of a message's way: senders, exchanges, queues, receivers.

use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};

use super::Site;
use crate::Flow;

const WIDTH: usize = 190;
const HEIGHT: usize = 40;
const GAP: usize = 70;
const STEP: usize = 54;
const TOP: usize = 30;
const HEADS: [&str; 4] = ["sent by", "exchange", "queue", "received by"];

/// A box in a column.
struct Stop<'a> {
    text: &'a str,
    note: &'a str,
    class: String,
    link: Option<String>,
}

/// Draws a way; `note` stands in the exchange: the routing key.
pub(super) fn picture(site: &Site, top: &str, flow: &Flow, note: &str) -> Markup {
    let names = |texts: BTreeSet<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let columns = [
        names(flow.senders.iter().map(String::as_str).collect()),
        names(flow.exchanges.iter().map(String::as_str).collect()),
        names(flow.hops.iter().map(|hop| &*hop.queue).collect()),
        names(flow.receivers()),
    ];
    let rows = columns.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let (width, height) = (4 * WIDTH + 3 * GAP, TOP + (rows - 1) * STEP + HEIGHT + 2);
    let middle = |column: usize, row: usize| {
        let free = (rows - columns[column].len()) * STEP / 2;
        (TOP + free + row * STEP + HEIGHT / 2, column * (WIDTH + GAP))
    };
    let place = |column: usize, name: &str| {
        columns[column].iter().position(|other| other == name).map(|row| middle(column, row))
    };
    let line = |from: Option<(usize, usize)>, to: Option<(usize, usize)>| {
        html! { @if let (Some((y, x)), Some((to_y, to_x))) = (from, to) { path .edge d=(curve(x + WIDTH, y, to_x, to_y)) {} } }
    };
    let svg = html! {
        svg viewBox={ "-2 0 " (width + 4) " " (height) } width=(width + 4) height=(height) role="img" {
            title { (told(flow)) }
            @for (column, head) in HEADS.iter().enumerate() {
                text .head x=(column * (WIDTH + GAP) + WIDTH / 2) y="16" { (head) }
            }
            @for (sender, exchange) in flow.senders.iter().flat_map(|one| flow.exchanges.iter().map(move |two| (one, two))) {
                (line(place(0, sender), place(1, exchange)))
            }
            @for hop in &flow.hops {
                (line(place(1, &hop.exchange), place(2, &hop.queue)))
                (line(place(2, &hop.queue), place(3, &hop.receiver)))
            }
            @for (column, names) in columns.iter().enumerate() {
                @for (row, name) in names.iter().enumerate() {
                    (drawn(&stop(site, top, column, name, note), middle(column, row)))
                }
            }
            @if flow.hops.is_empty() {
                text .nobody x=(2 * (WIDTH + GAP) + WIDTH / 2) y=(TOP + HEIGHT / 2 + 5) { "nobody listens" }
            }
        }
    };
    super::frame::picture("The way of the message", PreEscaped(svg.into_string()))
}

fn stop<'a>(site: &Site, top: &str, column: usize, name: &'a str, note: &'a str) -> Stop<'a> {
    let is_service = site.contracts.services.contains_key(name);
    match column {
        1 => Stop { text: name, note, class: "stop exchange".to_owned(), link: None },
        2 => Stop { text: name, note: "", class: "stop queue".to_owned(), link: None },
        _ => Stop {
            text: name,
            note: "",
            class: format!("stop hue-{}", site.hue(name)),
            link: is_service.then(|| format!("{top}services/{name}.html")),
        },
    }
}

fn drawn(stop: &Stop, (middle, left): (usize, usize)) -> Markup {
    let baseline = if stop.note.is_empty() { middle + 5 } else { middle - 3 };
    // Longer than a box is wide, in the usual size.
    let class = if stop.text.chars().count() > 25 { "long" } else { "" };
    let body = html! {
        g class=(stop.class) {
            rect x=(left) y=(middle - HEIGHT / 2) width=(WIDTH) height=(HEIGHT) rx="8" {}
            text class=(class) x=(left + WIDTH / 2) y=(baseline) { (stop.text) }
            @if !stop.note.is_empty() { text .note x=(left + WIDTH / 2) y=(middle + 13) { (stop.note) } }
        }
    };
    html! { @if let Some(link) = &stop.link { a href=(link) { (body) } } @else { (body) } }
}

/// A line that leaves and arrives level.
pub(super) fn curve(x: usize, y: usize, to_x: usize, to_y: usize) -> String {
    let half = (x + to_x) / 2;
    format!("M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}")
}

fn told(flow: &Flow) -> String {
    let list = |names: Vec<&str>| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
    let senders = list(flow.senders.iter().map(String::as_str).collect());
    format!("From {senders} to {}", list(flow.receivers().into_iter().collect()))
}
