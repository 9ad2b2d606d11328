//! The static site.
use crate::Files;
use contracts::Contracts;
pub(crate) fn files(_: &Contracts) -> Files {
    Files::new()
}
