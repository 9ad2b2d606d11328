//! Parses the choice of rows and lengths of time: `1-5,14`, `20m`.

use std::{ops::RangeInclusive, time::Duration};

/// A set of rows by number.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice(Vec<RangeInclusive<u32>>);

impl Choice {
    /// Parses numbers and ranges, separated by commas.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| format!("{text} is not the number of a row"));
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Ok(number(first)?..=number(last)?)
        };
        text.split(',').map(range).collect::<Result<_, String>>().map(Self)
    }

    /// Whether it contains a row.
    pub fn has(&self, number: u32) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }
}

/// Parses a length of time such as `30s` or `20m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is not a length of time: write for example 30s or 20m");
    let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?);
    let seconds_each = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(digits.parse::<u64>().map_err(|_| wrong())? * seconds_each))
}

#[cfg(test)]
mod tests {
    use super::{Choice, duration};

    #[test]
    fn numbers_and_ranges_are_chosen_and_nothing_else() {
        let choice = Choice::parse("1-3,14").unwrap();

        let chosen: Vec<u32> = (0..20).filter(|number| choice.has(*number)).collect();

        assert_eq!(chosen, [1, 2, 3, 14]);
        assert_eq!(Choice::parse("1-x"), Err("x is not the number of a row".to_owned()));
    }

    #[test]
    fn a_length_of_time_has_a_unit() {
        assert_eq!(duration("20m").unwrap().as_secs(), 1200);
        assert!(duration("20").is_err());
        assert!(duration("m").is_err());
    }
}
