//! The differences between one version of a message and the next, and the services that they affect.

use maud::{Markup, html};
use schema_compat::{Break, Comparison, Direction, Verdict, compare};

use super::{Version, dotted, frame};
use crate::{
    changes::{Change, changes},
    fields::Field,
};

/// Renders the step from a version to the next.
pub(super) fn step(old: &Version, new: &Version) -> Markup {
    let told = compare(&old.message.bundled, &new.message.bundled);
    let (before, after) = (old.message.name.version, new.message.name.version);
    html! {
        section .step {
            h3 { "From v" (before) " to v" (after) }
            (list(&changes(&old.fields, &new.fields)))
            (verdict(&told, Direction::Backward, &format!("Readers of v{after} can read messages of v{before}")))
            (verdict(&told, Direction::Forward, &format!("Readers of v{before} can read messages of v{after}")))
        }
    }
}

fn list(changes: &[Change]) -> Markup {
    html! {
        @if changes.is_empty() { p { "The fields are the same." } }
        ul .changes {
            @for change in changes {
                @match change {
                    Change::Added(field) => (line("added", &field.path, &told(field))),
                    Change::Removed(field) => (line("removed", &field.path, &told(field))),
                    Change::Changed { path, how } => (line("changed", path, &how.join("; "))),
                }
            }
        }
    }
}

fn line(word: &str, path: &str, how: &str) -> Markup {
    html! { li class=(word) { b { (word) } " " code { (dotted(path)) } " " span .aside { (how) } } }
}

fn told(field: &Field) -> String {
    let optional = if field.required { "" } else { ", optional" };
    format!("{}{optional} · {}", field.form, field.description)
}

fn verdict(told: &Comparison, direction: Direction, claim: &str) -> Markup {
    let verdict = if direction == Direction::Backward { &told.backward } else { &told.forward };
    let (class, answer) = match verdict {
        Verdict::Compatible => ("yes", "yes"),
        Verdict::Incompatible => ("no", "no"),
        Verdict::Unknown(_) => ("no", "undecided, which counts as no"),
    };
    html! {
        div class={ "verdict " (class) } {
            p { (claim) ": " b { (answer) } "." }
            @if let Verdict::Unknown(why) = verdict { p .aside { (why) } }
            @for broken in told.breaks.iter().filter(|broken| broken.direction == direction) { (shown(broken)) }
        }
    }
}

fn shown(broken: &Break) -> Markup {
    html! {
        details {
            summary {
                @if !broken.path.is_empty() { code .place { (dotted(&broken.path)) } ": " }
                (broken.message) " " code { (broken.rule) }
            }
            p { "Affects " (broken.hits) "." }
            @if let Some(witness) = &broken.witness {
                p { "A message that can be written but not read:" }
                (frame::json(witness))
            }
        }
    }
}
