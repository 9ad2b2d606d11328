//! The values that settings may have: every range is stated here, once, and named in the error.

use std::fmt::Display;

use serde::{Deserialize, Deserializer, de::Error};

/// A number, 1 or more.
pub(crate) fn at_least_1<'de, D, N>(from: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + PartialOrd + From<u8> + Display,
{
    let number = N::deserialize(from)?;
    if number < N::from(1) {
        return Err(D::Error::custom(format!("must be 1 or more, got {number}")));
    }
    Ok(number)
}

/// A fraction, from 0 to 1.
pub(crate) fn fraction<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(from)?;
    if !(0.0..=1.0).contains(&number) {
        return Err(D::Error::custom(format!("must be a fraction from 0 to 1, got {number}")));
    }
    Ok(number)
}

/// A fraction, from 0 to 1, of a key that is set.
pub(crate) fn optional_fraction<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    fraction(from).map(Some)
}

/// A number, 1 or more, of a key that is set.
pub(crate) fn optional_at_least_1<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    at_least_1(from).map(Some)
}

/// A log filter, in the syntax of `RUST_LOG`.
pub(crate) fn log_filter<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let filter = String::deserialize(from)?;
    match tracing_subscriber::EnvFilter::try_new(&filter) {
        Ok(_) => Ok(filter),
        Err(error) => {
            Err(D::Error::custom(format!("`{filter}` is not a log filter such as `info,contacts=debug`: {error}")))
        }
    }
}
