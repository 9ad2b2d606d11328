//! Refusals by the server itself, whatever the route.

use crate::failure::{Failure, Problem};

pub(super) fn too_large() -> Problem {
    Problem::new(413, "body-too-large", "the body exceeds the limit of this path")
}

pub(super) fn too_slow() -> Problem {
    Problem::new(408, "body-too-slow", "the body arrived too slowly")
}

pub(super) fn internal_error() -> Problem {
    Failure::bug("").into_problem()
}
