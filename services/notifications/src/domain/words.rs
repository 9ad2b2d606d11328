//! Readable numbers and texts.

/// `1,234 contacts`: a number and its noun, in the singular or the plural.
pub fn amount(count: u32, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `a`, `a and b`, `a, b and c`.
pub fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A text on one line: control characters become spaces, and a text that is too long is truncated.
pub fn one_line(text: &str) -> String {
    const LONGEST: usize = 120;
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let plain = plain.trim();
    if plain.chars().count() <= LONGEST {
        return plain.to_owned();
    }
    let cut: String = plain.chars().take(LONGEST - 1).collect();
    format!("{}…", cut.trim_end())
}

/// An error's text as a sentence: with a capital letter and a full stop.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

fn grouped(count: u32) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
