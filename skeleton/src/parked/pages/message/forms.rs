//! The forms of a message, and their fields.

use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    parked::pages::frame::field,
    store::{Fingerprint, SetAside},
};

/// The form of a redrive or a drop.
#[derive(Deserialize)]
pub(in crate::parked::pages) struct Decided {
    #[serde(default)]
    pub(super) by: String,
    #[serde(default)]
    pub(super) note: String,
    /// The confirmation: `yes`.
    #[serde(default)]
    pub(super) sure: String,
}

/// The form with new data.
#[derive(Deserialize)]
pub(in crate::parked::pages) struct Edited {
    #[serde(default)]
    pub(super) by: String,
    #[serde(default)]
    pub(super) note: String,
    pub(super) data: String,
    /// The fingerprint of the data that was shown.
    pub(super) seen: String,
    /// Whether to handle it again at once: `yes`.
    #[serde(default)]
    pub(super) redrive: String,
}

pub(super) fn redrive_form(id: Uuid) -> Markup {
    html! {
        h2 { "Redrive" }
        form method="post" action={ "/parked/" (id) "/redrive" } {
            (signature("redrive", "", ""))
            button { "Redrive" }
        }
    }
}

pub(super) fn drop_form(id: Uuid) -> Markup {
    html! {
        h2 { "Drop" }
        form method="post" action={ "/parked/" (id) "/drop" } {
            (signature("drop", "", ""))
            label class="check" { input type="checkbox" name="sure" value="yes" required; "I know that it is lost for good" }
            button class="bad" { "Drop" }
        }
    }
}

pub(super) fn edit_form(message: &SetAside, data: Option<&str>, typed: Option<&Edited>) -> Markup {
    let seen = Fingerprint::of(&message.body).sha256;
    let (by, note) = typed.map_or(("", ""), |typed| (typed.by.as_str(), typed.note.as_str()));
    let text = typed.map(|typed| typed.data.as_str()).or(data).unwrap_or_default();
    html! {
        h2 { "Edit" }
        p {
            "A mask that you leave keeps its value. The data is checked against the schema of "
            (message.name) "; headers do not change."
        }
        form method="post" action={ "/parked/" (message.message) "/edit" } {
            input type="hidden" name="seen" value=(seen);
            div class="field wide" {
                label for="data" { "Data (JSON)" }
                textarea id="data" name="data" rows="14" spellcheck="false" { "\n" (text) }
            }
            (signature("edit", by, note))
            label class="check" { input type="checkbox" name="redrive" value="yes"; "Redrive at once" }
            button { "Save" }
        }
    }
}

/// Fields for the person's name and the note; the ids begin with the form's name.
pub(in crate::parked::pages) fn signature(form: &str, by: &str, note: &str) -> Markup {
    html! {
        (field(&format!("{form}-by"), "by", "Your name, for the audit trail", by))
        (field(&format!("{form}-note"), "note", "Note", note))
    }
}
