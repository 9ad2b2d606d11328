//! The report of a check.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::Hit;

/// The report of `cargo xtask events check`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// How many files are released.
    pub released: usize,
    /// The files that are not released.
    pub new: Vec<String>,
    /// Problems, which have to be fixed.
    pub problems: Vec<Remark>,
    /// Notes, for information.
    pub notes: Vec<Remark>,
}

impl Report {
    /// Whether there are no problems.
    pub fn ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems, and one line about the rest: what a successful check has to say.
    pub fn summary(&self) -> String {
        let Self { released, new, problems, notes } = self;
        let problems: String = problems.iter().map(|problem| format!("problem: {problem}\n\n")).collect();
        let verdict = if self.ok() { "no problems" } else { "problems found, see above" };
        let notes = match notes.len() {
            0 => String::new(),
            count => format!(" ({count} notes that need no action: --verbose)"),
        };
        format!("{problems}{released} released messages, {} new: {verdict}{notes}", new.len())
    }
}

/// A finding of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remark {
    /// The stable name of the rule, such as `released-changed`.
    pub rule: &'static str,
    /// The message, file or service.
    pub about: String,
    /// The finding, in a sentence.
    pub says: String,
    /// The remedy; empty if none is needed.
    #[serde(rename = "do", skip_serializing_if = "String::is_empty")]
    pub todo: String,
    /// The breaks, and the services that they affect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Hit>,
}

impl Remark {
    pub(crate) fn new(rule: &'static str, about: impl ToString, says: impl Into<String>) -> Self {
        Self { rule, about: about.to_string(), says: says.into(), todo: String::new(), breaks: vec![] }
    }

    pub(crate) fn todo(self, todo: impl Into<String>) -> Self {
        Self { todo: todo.into(), ..self }
    }

    pub(crate) fn breaks(self, breaks: Vec<Hit>) -> Self {
        Self { breaks, ..self }
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Report", 5)?;
        fields.serialize_field("ok", &self.ok())?;
        fields.serialize_field("released", &self.released)?;
        fields.serialize_field("new", &self.new)?;
        fields.serialize_field("problems", &self.problems)?;
        fields.serialize_field("notes", &self.notes)?;
        fields.end()
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.notes.iter().try_for_each(|note| write!(formatter, "note: {note}\n\n"))?;
        self.problems.iter().try_for_each(|problem| write!(formatter, "problem: {problem}\n\n"))?;
        let Self { released, new, problems, notes } = self;
        write!(
            formatter,
            "{released} released, {} new; problems: {}, notes: {}",
            new.len(),
            problems.len(),
            notes.len()
        )
    }
}

impl Display for Remark {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.about, self.says)?;
        self.breaks.iter().try_for_each(|hit| write!(formatter, "\n{}", hit.text().trim_end()))?;
        if self.todo.is_empty() { Ok(()) } else { write!(formatter, "\n  do: {}", self.todo) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_a_success_has_no_notes_and_that_of_a_failure_has_the_problems() {
        let note = Remark::new("note", "accounts", "a note with details");
        let report = Report { released: 3, notes: vec![note], ..Report::default() };
        assert_eq!(
            report.summary(),
            "3 released messages, 0 new: no problems (1 notes that need no action: --verbose)"
        );

        let failed = Report { problems: vec![Remark::new("broken", "contacts", "is broken")], ..report };
        assert!(failed.summary().starts_with("problem: contacts: is broken\n\n"), "{}", failed.summary());
    }
}
