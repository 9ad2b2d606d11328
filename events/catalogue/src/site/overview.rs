//! The overview picture: the publisher and the consumers of each event.

use contracts::Kind;
use maud::{Markup, PreEscaped, html};

use super::{Site, Version, newest, page_of, way::arrow};

const WIDTH: usize = 976;
const BOX: usize = 140;
const EVENT: usize = 270;
const EVENT_LEFT: usize = 190;
const RIGHT: usize = WIDTH - BOX;
const ROW: usize = 26;
const GROUP_GAP: usize = 14;
const TOP: usize = 30;
/// The minimum distance between two consumers.
const MARGIN: usize = 8;
/// The distance between two arrows that end at one consumer.
const PORT: usize = 8;

/// A publisher with its events, and its vertical position.
struct Group<'a> {
    service: &'a str,
    top: usize,
    events: Vec<(&'a Version<'a>, Vec<&'a str>)>,
}

impl Group<'_> {
    fn height(&self) -> usize {
        self.events.len() * ROW
    }

    fn middle_of(&self, row: usize) -> usize {
        self.top + row * ROW + ROW / 2
    }
}

/// A consumer, with the vertical positions of its incoming arrows.
struct Listener<'a> {
    service: &'a str,
    arrows: Vec<(usize, &'a str, String)>,
}

/// Draws every event between publishers and consumers.
pub(super) fn picture(site: &Site) -> Markup {
    let groups = groups(site);
    let bottom = groups.last().map_or(TOP, |group| group.top + group.height());
    let listeners = listeners(&groups);
    let height = bottom.max(TOP + heights(&listeners));
    let gap = (height - TOP - heights(&listeners)) / listeners.len().max(1);
    let mut top = TOP + gap / 2;
    let placed = listeners.iter().map(|listener| {
        let place = (listener, top);
        top += listener_height(listener) + MARGIN + gap;
        place
    });
    let svg = html! {
        svg #overview viewBox={ "-2 0 " (WIDTH + 4) " " (height + 2) } width=(WIDTH + 4) height=(height + 2) role="img" {
            title { "Events between services: publishers on the left, consumers on the right" }
            text .head x=(BOX / 2) y="16" { "publishes" }
            text .head x=(EVENT_LEFT + EVENT / 2) y="16" { "event" }
            text .head x=(RIGHT + BOX / 2) y="16" { "listens" }
            @for (listener, top) in placed { (listens(site, listener, top)) }
            @for group in &groups { (publishes(site, group)) }
        }
    };
    super::frame::picture("Events between services", PreEscaped(svg.into_string()))
}

fn groups<'a>(site: &'a Site) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = vec![];
    let mut top = TOP;
    for versions in site.topics.values().filter(|versions| newest(versions).message.kind == Kind::Event) {
        let event = newest(versions);
        let owner = event.message.name.owner.as_str();
        let mut receivers: Vec<&str> = versions.iter().flat_map(|version| version.flow.receivers()).collect();
        receivers.sort_unstable();
        receivers.dedup();
        match groups.last_mut().filter(|group| group.service == owner) {
            Some(group) => group.events.push((event, receivers)),
            None => {
                top += if groups.is_empty() { 0 } else { GROUP_GAP };
                groups.push(Group { service: owner, top, events: vec![(event, receivers)] });
            }
        }
        top += ROW;
    }
    groups
}

/// Returns the consumers, ordered by the position of their events, so that few lines cross.
fn listeners<'a>(groups: &'a [Group<'a>]) -> Vec<Listener<'a>> {
    let mut listeners: Vec<Listener> = vec![];
    for group in groups {
        for (row, (event, receivers)) in group.events.iter().enumerate() {
            for receiver in receivers {
                let arrow = (group.middle_of(row), group.service, event.message.name.to_string());
                match listeners.iter_mut().find(|listener| listener.service == *receiver) {
                    Some(listener) => listener.arrows.push(arrow),
                    None => listeners.push(Listener { service: receiver, arrows: vec![arrow] }),
                }
            }
        }
    }
    let mean = |listener: &Listener| listener.arrows.iter().map(|(y, ..)| y).sum::<usize>() / listener.arrows.len();
    listeners.sort_by_key(|listener| (mean(listener), listener.service));
    listeners
}

fn listener_height(listener: &Listener) -> usize {
    (listener.arrows.len() * PORT + 12).max(36)
}

fn heights(listeners: &[Listener]) -> usize {
    listeners.iter().map(|listener| listener_height(listener) + MARGIN).sum()
}

fn listens(site: &Site, listener: &Listener, top: usize) -> Markup {
    let height = listener_height(listener);
    let first = top + (height - (listener.arrows.len() - 1) * PORT) / 2;
    html! {
        @for (port, (y, from, event)) in listener.arrows.iter().enumerate() {
            path class={ "edge hue-" (site.hue(from)) } data-event=(event) data-from=(from) data-to=(listener.service)
                d=(arrow(EVENT_LEFT + EVENT, *y, RIGHT, first + port * PORT)) {}
        }
        (service(site, listener.service, "to", RIGHT, top, height))
    }
}

fn publishes(site: &Site, group: &Group) -> Markup {
    html! {
        (service(site, group.service, "from", 0, group.top + 2, group.height() - 4))
        @for (row, (event, receivers)) in group.events.iter().enumerate() {
            @let middle = group.middle_of(row);
            @let name = &event.message.name;
            path class={ "edge short hue-" (site.hue(group.service)) } d={ "M" (BOX) " " (middle) "H" (EVENT_LEFT) } {}
            a href=(page_of(name)) data-event=(name) {
                g .event {
                    rect x=(EVENT_LEFT) y=(middle - 11) width=(EVENT) height="22" rx="11" {}
                    text x=(EVENT_LEFT + EVENT / 2) y=(middle + 4) {
                        (name.name) @if receivers.is_empty() { tspan .nobody { " · no consumers" } }
                    }
                }
            }
        }
    }
}

fn service(site: &Site, name: &str, side: &str, left: usize, top: usize, height: usize) -> Markup {
    let is_known = site.contracts.services.contains_key(name);
    let body = html! {
        g class={ "stop hue-" (site.hue(name)) } {
            rect x=(left) y=(top) width=(BOX) height=(height) rx="8" {}
            text x=(left + BOX / 2) y=(top + height / 2 + 5) { (name) }
        }
    };
    html! {
        @if is_known { a href={ "services/" (name) ".html" } data-service=(name) data-side=(side) { (body) } }
        @else { (body) }
    }
}
