//! The forms that redrive or drop all messages that match a filter.

use maud::{Markup, html};

use super::{asked::Asked, message::signature};
use crate::store::{Filter, State};

/// The most messages of one form: as many as fit well within the time limit of a request.
pub(super) const MOST_AT_ONCE: usize = 1000;

/// The filter for messages in a state that allows decisions; a filter for every state selects the parked ones.
pub(super) fn decided_about(filter: &Filter) -> Option<Filter> {
    let state = filter.state.unwrap_or(State::Parked);
    state.is_for_people().then(|| filter.clone().in_state(state))
}

/// The forms for the counted messages.
pub(super) fn forms(asked: &Asked, counted: usize) -> Markup {
    if counted > MOST_AT_ONCE {
        return html! {
            p { "More than " (MOST_AT_ONCE) " messages match: narrow the filter, or use the command " code { "parked redrive --rate" } "." }
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
                label class="check" { input type="checkbox" name="sure" value="yes" required; "I know that they are lost for good" }
                button class="bad" { "Drop all " (counted) }
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
