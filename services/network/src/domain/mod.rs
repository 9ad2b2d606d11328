//! The rules of the network: identity, strength of ties, best paths and privacy.

mod contacts;
mod identifiers;
mod members;
mod newness;
mod paths;
mod privacy;
mod ties;

pub use contacts::{Card, KnownPerson, Owner, OwnerUnknown, Placement, Situation};
pub use identifiers::{Key, Pepper, PepperMissing};
pub use members::{KeyTaken, MemberUnknown, Profile, Standing};
pub use newness::Newness;
pub use paths::{BestPath, Reached, Route, STEPS, StepsRefusal, steps};
pub use privacy::{Acquaintance, Shown, Target, Wanted, show};
pub use ties::{BOTH_SIDED, ONE_SIDED, STRONGEST};
