//! The text of an error with its causes. The errors of many libraries display only the outermost: `db error`, `error
//! sending request`.

use std::{error::Error, iter};

/// An error and what caused it, outermost first. A cause that the text already contains is left out.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// An error, its cause, the cause of that, and so on.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no connection")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_text_of_an_error_names_its_cause_once() {
        let error = Outer(std::io::Error::other("refused"));

        assert_eq!(with_causes(&error), "no connection: refused");
        assert_eq!(with_causes(&std::io::Error::other(error)), "no connection: refused");
    }
}
