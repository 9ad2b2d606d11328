//! The envelope as headers.

use std::collections::BTreeMap;

use super::{
    Envelope, EnvelopeError,
    attributes::{
        chain_id, derived, moment, not_empty, parsed, plain, sequence_in, subject_in, timestamp, uuid_of,
    },
};

/// The prefix of each attribute's header name.
const PREFIX: &str = "cloudEvents:";

impl Envelope {
    /// Returns the envelope as headers.
    pub fn to_headers(&self) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                headers.insert(format!("{PREFIX}{name}"), value);
            }
        };
        put("specversion", Some("1.0".to_owned()));
        put("id", Some(self.id.to_string()));
        put("type", Some(self.name.clone()));
        put("source", Some(self.source.clone()));
        put("time", Some(timestamp(self.time)));
        put("subject", self.subject.clone());
        // The sequence extension of CloudEvents is text; Kith uses a number without leading zeros.
        put("sequence", self.sequence.map(|sequence| sequence.to_string()));
        put("traceparent", self.trace.map(|trace| trace.to_string()));
        put("correlationid", self.correlation_id.map(|id| id.to_string()));
        put("causationid", self.causation_id.map(|id| id.to_string()));
        put("actor", self.actor.map(|id| id.to_string()));
        put("deadline", self.deadline.map(timestamp));
        headers
    }

    /// Reads the headers of a message. `cloudEvents_id` is read as well as `cloudEvents:id`: the binding allows both.
    ///
    /// CloudEvents allows any text as an id, unique together with the source. An id that is not a UUID is mapped to one
    /// (version 5, of source and id): the same message always gets the same UUID. The ids of a chain, which have no
    /// source, are mapped by their text alone. The clients in other languages map in the same way
    /// (`events/tests/vectors/ids.json`).
    ///
    /// # Errors
    /// Returns an error if a required attribute is missing, or if an attribute is malformed or too long.
    pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, EnvelopeError> {
        let found: Vec<(&str, &str)> = headers
            .into_iter()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix(PREFIX).or_else(|| name.strip_prefix("cloudEvents_"))?;
                Some((name, value))
            })
            .collect();
        let text = |name: &str| found.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        if text("specversion").ok_or(EnvelopeError::Missing("specversion"))? != "1.0" {
            return Err(EnvelopeError::SpecVersion);
        }
        let required = |name| plain(text(name).ok_or(EnvelopeError::Missing(name))?, name);
        let (id, source) = (not_empty(required("id")?, "id")?, required("source")?);
        Ok(Self {
            id: uuid_of(id).unwrap_or_else(|| derived(&format!("{source}\n{id}"))),
            name: required("type")?.to_owned(),
            source: source.to_owned(),
            time: moment(text("time").ok_or(EnvelopeError::Missing("time"))?)?,
            subject: text("subject").map(subject_in).transpose()?.map(str::to_owned),
            sequence: sequence_in(text("sequence"))?,
            trace: parsed(text("traceparent"), "traceparent", "a W3C traceparent")?,
            correlation_id: chain_id(text("correlationid"), "correlationid")?,
            causation_id: chain_id(text("causationid"), "causationid")?,
            actor: text("actor")
                .map(|text| uuid_of(text).ok_or(EnvelopeError::Malformed("actor", "a UUID")))
                .transpose()?,
            deadline: parsed(text("deadline"), "deadline", "a timestamp of RFC 3339")?,
        })
    }
}
