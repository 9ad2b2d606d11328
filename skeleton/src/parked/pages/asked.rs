//! The filter of parked messages, as a form has it.

use clap::ValueEnum as _;
use serde::Deserialize;

use crate::store::{Filter, State, moment};

/// The values of the filter form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub name: String,
    pub subject: String,
    pub reason: String,
    pub queue: String,
    pub since: String,
    pub until: String,
    pub attempts: String,
    pub state: String,
    pub id: String,
}

impl Asked {
    /// The filter, or what is wrong with it.
    pub(super) fn filter(&self) -> Result<Filter, String> {
        let text = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        let time = |text: &str| if text.is_empty() { Ok(None) } else { moment(text).map(Some) };
        let attempts = text(&self.attempts).map(|text| text.parse()).transpose();
        let id = text(&self.id).map(|text| text.parse()).transpose();
        Ok(Filter {
            id: id.map_err(|_| "the id is not a UUID".to_owned())?,
            name: text(&self.name),
            subject: text(&self.subject),
            reason: text(&self.reason),
            queue: text(&self.queue),
            since: time(&self.since)?,
            until: time(&self.until)?,
            attempts: attempts.map_err(|_| "attempts must be a number".to_owned())?,
            state: self.state()?,
        })
    }

    /// The values of the form, by field name.
    pub(super) fn fields(&self) -> [(&'static str, &str); 9] {
        [
            ("name", &self.name),
            ("subject", &self.subject),
            ("reason", &self.reason),
            ("queue", &self.queue),
            ("since", &self.since),
            ("until", &self.until),
            ("attempts", &self.attempts),
            ("state", &self.state),
            ("id", &self.id),
        ]
    }

    fn state(&self) -> Result<Option<State>, String> {
        match self.state.as_str() {
            "" => Ok(Some(State::Parked)),
            "all" => Ok(None),
            word => State::from_str(word, false).map(Some).map_err(|_| "unknown state".to_owned()),
        }
    }
}
