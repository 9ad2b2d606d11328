//! The forms that redrive or drop all messages that match a filter.

use std::collections::BTreeSet;

use maud::{Markup, html};
use uuid::Uuid;

use super::{asked::Asked, message::signature};
use crate::store::{Filter, State};

/// The most messages of one form: as many as fit well within the time limit of a request.
pub(super) const MOST_AT_ONCE: usize = 1000;

/// The filter for messages in a state that allows decisions; a filter for every state selects the parked ones.
pub(super) fn decided_about(filter: &Filter) -> Option<Filter> {
    let state = filter.state.unwrap_or(State::Parked);
    state.is_for_people().then(|| filter.clone().in_state(state))
}

/// Identifies a set of messages, so that a decision applies only to those that the page showed.
pub(super) fn fingerprint(messages: &[Uuid]) -> Uuid {
    let sorted: BTreeSet<_> = messages.iter().collect();
    let bytes: Vec<u8> = sorted.into_iter().flat_map(|id| id.into_bytes()).collect();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes)
}

/// The forms for these messages.
pub(super) fn forms(asked: &Asked, messages: &[Uuid]) -> Markup {
    let counted = messages.len();
    if counted > MOST_AT_ONCE {
        return html! {
            p { "More than " (MOST_AT_ONCE) " messages match: narrow the filter, or use the command " code { "parked redrive --rate" } "." }
        };
    }
    html! {
        @if counted > 1 {
            h2 { "All " (counted) " at once" }
            form method="post" action="/parked/redrive" {
                (what_was_seen(asked, messages))
                (signature("redrive-all", "", ""))
                button { "Redrive all " (counted) }
            }
            form method="post" action="/parked/drop" {
                (what_was_seen(asked, messages))
                (signature("drop-all", "", ""))
                label class="check" { input type="checkbox" name="sure" value="yes" required; "I know that they are lost for good" }
                button class="bad" { "Drop all " (counted) }
            }
        }
    }
}

fn what_was_seen(asked: &Asked, messages: &[Uuid]) -> Markup {
    html! {
        @for (name, value) in asked.fields() { input type="hidden" name=(name) value=(value); }
        input type="hidden" name="seen" value=(fingerprint(messages));
    }
}
