//! The picture of a message's route: senders, exchanges, queues, receivers.

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

/// The middle of a box's left side.
#[derive(Clone, Copy)]
struct Spot {
    x: usize,
    y: usize,
}

/// The boxes that a message passes, column by column.
struct Columns<'a> {
    names: [Vec<&'a str>; 4],
    rows: usize,
}

impl<'a> Columns<'a> {
    fn of(flow: &'a Flow) -> Self {
        let queues: BTreeSet<&str> = flow.hops.iter().map(|hop| &*hop.queue).collect();
        let names = [
            flow.senders.iter().map(String::as_str).collect(),
            flow.exchanges.iter().map(String::as_str).collect(),
            queues.into_iter().collect(),
            flow.receivers().into_iter().collect(),
        ];
        let rows = names.iter().map(Vec::len).max().unwrap_or(0).max(1);
        Self { names, rows }
    }

    fn height(&self) -> usize {
        TOP + (self.rows - 1) * STEP + HEIGHT + 2
    }

    /// Centres the boxes of a short column.
    fn spot(&self, column: usize, row: usize) -> Spot {
        let above = (self.rows - self.names[column].len()) * STEP / 2;
        Spot { x: column * (WIDTH + GAP), y: TOP + above + row * STEP + HEIGHT / 2 }
    }

    fn spots(&self) -> impl Iterator<Item = (usize, &'a str, Spot)> {
        let in_column = move |column: usize| {
            let names = self.names[column].iter().enumerate();
            names.map(move |(row, name)| (column, *name, self.spot(column, row)))
        };
        (0..self.names.len()).flat_map(in_column)
    }

    fn spot_of(&self, column: usize, name: &str) -> Option<Spot> {
        self.names[column].iter().position(|other| *other == name).map(|row| self.spot(column, row))
    }

    /// Returns each step from one box to the next.
    fn steps(&self, flow: &Flow) -> Vec<(Spot, Spot)> {
        let mut steps = vec![];
        let mut add = |column: usize, from: &str, to: &str| {
            steps.extend(self.spot_of(column, from).zip(self.spot_of(column + 1, to)));
        };
        for sender in &flow.senders {
            flow.exchanges.iter().for_each(|exchange| add(0, sender, exchange));
        }
        for hop in &flow.hops {
            add(1, &hop.exchange, &hop.queue);
            add(2, &hop.queue, &hop.receiver);
        }
        steps
    }
}

/// Draws a route; `note` is shown in the exchange: the routing key.
pub(super) fn picture(site: &Site, top: &str, flow: &Flow, note: &str) -> Markup {
    let columns = Columns::of(flow);
    let (width, height) = (4 * WIDTH + 3 * GAP + 4, columns.height());
    let svg = html! {
        svg viewBox={ "-2 0 " (width) " " (height) } width=(width) height=(height) role="img" {
            title { (told(flow)) }
            @for (column, head) in HEADS.iter().enumerate() {
                text .head x=(column * (WIDTH + GAP) + WIDTH / 2) y="16" { (head) }
            }
            @for (from, to) in columns.steps(flow) { path .edge d=(arrow(from.x + WIDTH, from.y, to.x, to.y)) {} }
            @for (column, name, spot) in columns.spots() { (drawn(&stop(site, top, column, name, note), spot)) }
            @if flow.hops.is_empty() {
                text .nobody x=(2 * (WIDTH + GAP) + WIDTH / 2) y=(TOP + HEIGHT / 2 + 5) { "no consumers" }
            }
        }
    };
    super::frame::picture("The route of the message", PreEscaped(svg.into_string()))
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

fn drawn(stop: &Stop, Spot { x: left, y: middle }: Spot) -> Markup {
    let baseline = if stop.note.is_empty() { middle + 5 } else { middle - 3 };
    // Too long for a box at the usual font size.
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

/// Returns the path of an arrow that starts and ends horizontally.
pub(super) fn arrow(x: usize, y: usize, to_x: usize, to_y: usize) -> String {
    let (half, barb) = ((x + to_x) / 2, to_x - 6);
    let (above, below) = (to_y - 3, to_y + 3);
    format!("M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}M{barb} {above}L{to_x} {to_y}L{barb} {below}")
}

fn told(flow: &Flow) -> String {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let senders = list(flow.senders.iter().map(String::as_str).collect());
    format!("From {senders} to {}", list(flow.receivers().into_iter().collect()))
}
