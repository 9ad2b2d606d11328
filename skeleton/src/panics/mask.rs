//! Masks personal data in unchecked text, by its form.
//!
//! Quoted text, e-mail addresses and telephone numbers are masked. UUIDs stay, because messages are found by them. A
//! name in plain words has no recognisable form and stays.

use events::MASK;
use uuid::Uuid;

/// A number with at least this many digits may be a telephone number.
const TELEPHONE: usize = 7;

/// The length of a UUID in its usual form.
const UUID: usize = 36;

/// The text with everything masked that looks like personal data.
pub(super) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_word = false;
    while let Some(next) = rest.chars().next() {
        let (seen, put) = match found(rest, is_word) {
            Some((length, put)) => (length, put),
            None => (next.len_utf8(), &rest[..next.len_utf8()]),
        };
        shown.push_str(put);
        is_word = rest[..seen].chars().next_back().is_some_and(char::is_alphanumeric);
        rest = &rest[seen..];
    }
    shown
}

/// The match at the start of the text: its length, and what replaces it.
fn found(rest: &str, is_word: bool) -> Option<(usize, &str)> {
    if let Some(length) = quoted(rest, is_word) {
        return Some((length, MASK));
    }
    if is_word {
        return None;
    }
    if rest.get(..UUID).is_some_and(|id| Uuid::try_parse(id).is_ok()) {
        return Some((UUID, &rest[..UUID]));
    }
    let length = address(rest).or_else(|| telephone(rest))?;
    Some((length, MASK))
}

/// A quoted text. An apostrophe within a word is not a quotation mark.
fn quoted(rest: &str, is_word: bool) -> Option<usize> {
    let mark = rest.chars().next().filter(|mark| *mark == '"' || *mark == '\'' && !is_word)?;
    let mut is_escaped = false;
    for (index, letter) in rest.char_indices().skip(1) {
        if letter == mark && !is_escaped {
            return Some(index + 1);
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    // No closing mark: the text may be truncated. A single quote alone is an apostrophe.
    (mark == '"').then_some(rest.len())
}

/// An e-mail address: a word that contains an at sign.
fn address(rest: &str) -> Option<usize> {
    let ends = |letter: char| letter.is_whitespace() || "<>()[]{},;\"'".contains(letter);
    let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
    let at = word.find('@')?;
    (at > 0 && at + 1 < word.len()).then_some(word.len())
}

/// A run of digits, with the separators that telephone numbers have.
fn telephone(rest: &str) -> Option<usize> {
    let is_part = |letter: char| letter.is_ascii_digit() || " +-()/.".contains(letter);
    let run = &rest[..rest.find(|letter| !is_part(letter)).unwrap_or(rest.len())];
    if !run.starts_with(|letter: char| letter.is_ascii_digit() || letter == '+' || letter == '(') {
        return None;
    }
    let run = run.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    (digits >= TELEPHONE).then_some(run.len())
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_has_the_form_of_personal_data_is_masked_and_the_rest_stays() {
        for (text, shown) in [
            ("no contact zoe@example.org, sorry", "no contact •••, sorry"),
            ("<zoë.ö@exämple.org>", "<•••>"),
            ("call +49 (30) 123-4567 now", "call ••• now"),
            ("left: \"Zoë \\\"Z\\\" Ö\" right: 'Max M'", "left: ••• right: •••"),
            ("it isn't there, and wasn't", "it isn't there, and wasn't"),
            ("a text that was cut: \"Zoë Ö", "a text that was cut: •••"),
            ("the len is 3 but the index is 512", "the len is 3 but the index is 512"),
            ("job 7c0f3c1e-3b1f-4f0e-9d0a-123456789012 is gone", "job 7c0f3c1e-3b1f-4f0e-9d0a-123456789012 is gone"),
            ("called `Option::unwrap()` on a `None` value", "called `Option::unwrap()` on a `None` value"),
            ("", ""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
