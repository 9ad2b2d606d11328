//! The query string of a request.

use std::{collections::HashMap, ops::RangeInclusive, str::FromStr};

use skeleton::{Problem, failure::FieldError};
use warp::{Filter, Rejection};

/// The parameters of a request, by name. Routes ignore unknown ones.
pub struct Query(HashMap<String, String>);

/// Extracts the parameters of the request.
pub fn query() -> impl Filter<Extract = (Query,), Error = Rejection> + Copy {
    warp::query::<HashMap<String, String>>().map(Query)
}

impl Query {
    /// A parameter, if it is given and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A required parameter.
    ///
    /// # Errors
    /// 422 if it is missing.
    pub fn needed(&self, name: &str) -> Result<&str, Problem> {
        self.text(name).ok_or_else(|| wrong(name, "is missing"))
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// 422 if it is not a number, or out of bounds.
    pub fn number(&self, name: &str, bounds: RangeInclusive<u32>) -> Result<Option<u32>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let detail = format!("must be a number from {} to {}", bounds.start(), bounds.end());
        number.map(Some).ok_or_else(|| wrong(name, &detail))
    }

    /// The page size of a list.
    ///
    /// # Errors
    /// 422 if it is out of bounds.
    pub fn limit(&self) -> Result<Option<u32>, Problem> {
        self.number("limit", 1..=200)
    }

    /// One of several keywords.
    ///
    /// # Errors
    /// 422 if it is not one of them; `words` lists them for the message.
    pub fn word<T: FromStr>(&self, name: &str, words: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, &format!("must be one of {words}")))
    }
}

fn wrong(name: &str, detail: &str) -> Problem {
    let errors = vec![FieldError { field: name.to_owned(), detail: detail.to_owned() }];
    Problem { errors, ..Problem::new(422, "invalid-query", format!("{name} {detail}")) }
}
