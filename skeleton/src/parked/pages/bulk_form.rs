//! The forms that decide about everything that a filter lets through.

use maud::{Markup, html};

use super::{asked::Asked, message::signature};
use crate::store::{Filter, State};

/// How many messages one form decides about at most: as many as are done well within the time of a request.
pub(super) const MOST_AT_ONCE: usize = 1000;

/// The filter for those that can be decided about: where it is for every state, the parked ones are meant.
pub(super) fn decided_about(filter: &Filter) -> Option<Filter> {
    let state = filter.state.unwrap_or(State::Parked);
    state.is_for_people().then(|| filter.clone().in_state(state))
}

/// The forms, for as many messages as were counted.
pub(super) fn forms(asked: &Asked, counted: usize) -> Markup {
    if counted > MOST_AT_ONCE {
        return html! {
            p { "More than " (MOST_AT_ONCE) " can be decided about: narrow the filter, or use the command " code { "parked redrive --rate" } "." }
        };
    }
    html! {
        @if counted > 1 {
            h2 { "All " (counted) " at once" }
            form method="post" action="/parked/redrive" {
                (what_was_seen(asked, counted))
                (signature("redrive-all", "", ""))
                button { "Handle all " (counted) " again" }
            }
            form method="post" action="/parked/drop" {
                (what_was_seen(asked, counted))
                (signature("drop-all", "", ""))
                label class="check" { input type="checkbox" name="sure" value="yes" required; "They are gone for good" }
                button class="bad" { "Forget all " (counted) }
            }
        }
    }
}

fn what_was_seen(asked: &Asked, counted: usize) -> Markup {
    html! {
        @for (name, value) in asked.fields() { input type="hidden" name=(name) value=(value); }
        input type="hidden" name="counted" value=(counted);
    }
}
