//! Refusals by the domain.

use super::{Failure, FieldError, Problem};

/// A refusal by the domain. Its text is written for the caller: lowercase, no full stop, says what is wrong and what to
/// do.
pub trait Refusal: std::error::Error {
    /// The HTTP status that fits best.
    fn status(&self) -> u16;

    /// A short machine-readable name, such as `email-taken`.
    fn code(&self) -> &'static str;

    /// The invalid field of the body, if the error concerns one.
    fn field(&self) -> Option<&'static str> {
        None
    }
}

impl<R: Refusal> From<R> for Failure {
    fn from(refusal: R) -> Self {
        Self::Reject(Problem::from_refusal(&refusal))
    }
}

impl Problem {
    fn from_refusal(refusal: &impl Refusal) -> Self {
        let errors = refusal.field().map(|field| FieldError { field: field.to_owned(), detail: refusal.to_string() });
        Self {
            errors: errors.into_iter().collect(),
            ..Self::new(refusal.status(), refusal.code(), refusal.to_string())
        }
    }
}
