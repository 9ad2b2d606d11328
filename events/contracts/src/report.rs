//! What a check says.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::Hit;

/// What `cargo xtask events check` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// How many files are released.
    pub released: usize,
    /// The files that are not.
    pub new: Vec<String>,
    /// What must be mended.
    pub problems: Vec<Remark>,
    /// What is good to know.
    pub notes: Vec<Remark>,
}

impl Report {
    /// Whether there is nothing to mend.
    pub fn ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remark {
    /// The rule, by a name that stays: `released-changed`.
    pub rule: &'static str,
    /// The message, file or service.
    pub about: String,
    /// What was found, in a sentence.
    pub says: String,
    /// What to do; empty where nothing is to be done.
    #[serde(rename = "do", skip_serializing_if = "String::is_empty")]
    pub todo: String,
    /// What breaks, and whom it hits.
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
        write!(formatter, "{released} released, {} new, {} to mend, {} noted", new.len(), problems.len(), notes.len())
    }
}

impl Display for Remark {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.about, self.says)?;
        self.breaks.iter().try_for_each(|hit| write!(formatter, "\n{}", hit.text().trim_end()))?;
        if self.todo.is_empty() { Ok(()) } else { write!(formatter, "\n  do: {}", self.todo) }
    }
}
