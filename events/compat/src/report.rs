//! The report of a comparison.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

/// The direction of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A reader of the new schema reads what was written under the old one.
    Backward,
    /// A reader of the old schema reads what is written under the new one.
    Forward,
}

impl Direction {
    /// Returns the consumers that a break in this direction affects.
    pub fn hits(self) -> &'static str {
        match self {
            Self::Backward => "consumers that move to the new schema while messages of the old one still exist",
            Self::Forward => "consumers that still read with the old schema while producers write the new one",
        }
    }
}

/// The result in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that can be written can be read.
    Compatible,
    /// A document can be written that cannot be read; the breaks contain it.
    Incompatible,
    /// Undecided, which counts as incompatible, with the reason.
    Unknown(String),
}

impl Verdict {
    /// Whether the direction is compatible.
    pub fn is_compatible(&self) -> bool {
        *self == Self::Compatible
    }
}

/// A reason why a written document may not be readable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Break {
    /// The direction.
    pub direction: Direction,
    /// The field, as a pointer into the message; `*` stands for every item of a list and every key of a map.
    pub path: String,
    /// The broken rule, as the change from old to new: `required-added`. `undecided` if nothing is proven.
    pub rule: &'static str,
    /// The break, in a sentence.
    pub message: String,
    /// The affected consumers.
    pub hits: &'static str,
    /// A document that can be written and is not read; `None` if the rule is `undecided`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Value>,
}

/// Two versions of a schema, compared in both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// A reader of the new schema reads what was written under the old one.
    pub backward: Verdict,
    /// A reader of the old schema reads what is written under the new one.
    pub forward: Verdict,
    /// The reasons, if a direction is not compatible.
    pub breaks: Vec<Break>,
}

impl Comparison {
    /// Whether both directions are compatible.
    pub fn full(&self) -> bool {
        self.backward.is_compatible() && self.forward.is_compatible()
    }
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Comparison", 4)?;
        fields.serialize_field("backward", &self.backward.is_compatible())?;
        fields.serialize_field("forward", &self.forward.is_compatible())?;
        fields.serialize_field("full", &self.full())?;
        fields.serialize_field("breaks", &self.breaks)?;
        fields.end()
    }
}

/// A new version compared with every released one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// The released versions by name, each compared with the new one.
    pub versions: Vec<(String, Comparison)>,
}

impl History {
    /// Whether a reader of the new version reads what was written under any released one.
    pub fn backward(&self) -> bool {
        self.versions.iter().all(|(_, told)| told.backward.is_compatible())
    }

    /// Whether a reader of any released version reads what is written under the new one.
    pub fn forward(&self) -> bool {
        self.versions.iter().all(|(_, told)| told.forward.is_compatible())
    }

    /// Whether both directions are compatible with every released version.
    pub fn full(&self) -> bool {
        self.backward() && self.forward()
    }
}
