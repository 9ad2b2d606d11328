//! What stands behind the question mark of an address.

use std::{collections::HashMap, ops::RangeInclusive, str::FromStr};

use skeleton::{Problem, failure::FieldError};
use warp::{Filter, Rejection};

/// The parameters of a request, by name. Those that a route does not know are left alone.
pub struct Query(HashMap<String, String>);

/// Gives a handler the parameters of its request.
pub fn query() -> impl Filter<Extract = (Query,), Error = Rejection> + Copy {
    warp::query::<HashMap<String, String>>().map(Query)
}

impl Query {
    /// A parameter, where it is given and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A parameter that must be given.
    ///
    /// # Errors
    /// 422 where it is not.
    pub fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| wrong(name, "is missing"))
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// 422 where it is none, or out of bounds.
    pub fn number(&self, name: &str, bounds: RangeInclusive<u32>) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let detail = format!("must be a number from {} to {}", bounds.start(), bounds.end());
        number.map(Some).ok_or_else(|| wrong(name, &detail))
    }

    /// How long a page of a list may be.
    ///
    /// # Errors
    /// 422 where it is out of bounds.
    pub fn limit(&self) -> Result<Option<u32>, Problem> {
        self.number("limit", 1..=200)
    }

    /// One of several words.
    ///
    /// # Errors
    /// 422 where it is none of them; `words` says which there are.
    pub fn word<T: FromStr>(&self, name: &str, words: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, &format!("must be one of {words}")))
    }
}

fn wrong(name: &str, detail: &str) -> Problem {
    let errors = vec![FieldError { field: name.to_owned(), detail: detail.to_owned() }];
    Problem { errors, ..Problem::new(422, "invalid-query", format!("{name} {detail}")) }
}
