//! Conversion of other programs' date formats to ISO 8601.

/// A birthday as `YYYY-MM-DD`, `--MM-DD` without a year, `YYYY-MM` or `YYYY`. `None` if it is ambiguous.
pub(super) fn birthday(text: &str) -> Option<String> {
    let text = without_time(text.trim());
    if let Some(rest) = text.strip_prefix("--") {
        let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
        return (digits.len() == 4).then(|| yearless(number(&digits[..2])?, number(&digits[2..])?)).flatten();
    }
    let parts: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    match parts[..] {
        [day] if day.len() == 8 && is_number(day) => date(number(&day[..4])?, number(&day[4..6])?, number(&day[6..])?),
        [year] if year.len() == 4 && is_number(year) => Some(year.to_owned()),
        [year, month] if year.len() == 4 && is_number(year) => {
            let month = number(month).filter(|month| (1..=12).contains(month))?;
            Some(format!("{year}-{month:02}"))
        }
        [year, month, day] if year.len() == 4 => date(number(year)?, number(month)?, number(day)?),
        [first, second, year] if year.len() == 4 => match (month_named(first), month_named(second)) {
            (Some(month), _) => date(number(year)?, month, number(second)?),
            (_, Some(month)) => date(number(year)?, month, number(first)?),
            (None, None) => day_and_month(number(first)?, number(second)?, number(year)?, text.contains('.')),
        },
        _ => None,
    }
}

/// The day of a connection as `YYYY-MM-DD`; LinkedIn writes `02 Mar 2021` and, in some files, `15-Jan-24`.
pub(super) fn known_since(text: &str) -> Option<String> {
    let text = text.trim();
    let short_year = text.rsplit(|letter: char| !letter.is_ascii_digit()).next().filter(|year| year.len() == 2);
    let iso = match short_year {
        Some(year) if text.contains(char::is_alphabetic) => birthday(&format!("{}20{year}", &text[..text.len() - 2])),
        _ => birthday(text),
    };
    iso.filter(|day| day.len() == 10)
}

/// Whether a birthday field has only zeros, which is Outlook's notation for no birthday.
pub(super) fn is_unset(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).all(|digit| digit == '0') && !text.contains(char::is_alphabetic)
}

fn without_time(text: &str) -> &str {
    match text.find('T') {
        Some(at) if text[..at].ends_with(|letter: char| letter.is_ascii_digit()) => &text[..at],
        _ => text,
    }
}

/// `20/01/1991` can only be a day in January; `03/04/1991` is ambiguous, because countries differ.
fn day_and_month(first: u32, second: u32, year: u32, dotted: bool) -> Option<String> {
    match (first, second) {
        _ if dotted || first > 12 || first == second => date(year, second, first),
        _ if second > 12 => date(year, first, second),
        _ => None,
    }
}

fn date(year: u32, month: u32, day: u32) -> Option<String> {
    // Apple writes 1604 for a birthday without a year.
    if year == 1604 {
        return yearless(month, day);
    }
    let exists = year > 0 && (1..=days_of(year, month)).contains(&day);
    exists.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn yearless(month: u32, day: u32) -> Option<String> {
    (1..=days_of(2000, month)).contains(&day).then(|| format!("--{month:02}-{day:02}"))
}

fn days_of(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

fn month_named(text: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short = text.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().position(|month| *month == short).and_then(|index| u32::try_from(index + 1).ok())
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Option<u32> {
    is_number(text).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn birthdays_become_iso_dates() {
        for (written, iso) in [
            ("1996-04-15", "1996-04-15"),
            ("19960415", "1996-04-15"),
            ("1953-10-15T23:10:00Z", "1953-10-15"),
            ("--02-03", "--02-03"),
            ("--1201", "--12-01"),
            ("1604-02-29", "--02-29"),
            ("1996-04", "1996-04"),
            ("1996", "1996"),
            ("20/01/1991", "1991-01-20"),
            ("1/20/1991", "1991-01-20"),
            ("03.04.1991", "1991-04-03"),
            ("5 May 1980", "1980-05-05"),
            ("Oct 7, 1980", "1980-10-07"),
        ] {
            assert_eq!(birthday(written).as_deref(), Some(iso), "{written}");
        }
    }

    #[test]
    fn what_is_no_day_or_could_be_two_is_refused() {
        for written in
            ["", "soon", "03/04/1991", "1999-02-29", "31/04/2000", "--1301", "٣", "circa 1800", "1/2/91", "-"]
        {
            assert_eq!(birthday(written), None, "{written}");
        }
        assert!(is_unset("0/0/00") && is_unset("0000-00-00") && !is_unset("1/0/00"));
    }

    #[test]
    fn linkedin_days_of_both_kinds_are_read() {
        assert_eq!(known_since("02 Mar 2021").as_deref(), Some("2021-03-02"));
        assert_eq!(known_since("7-Feb-22").as_deref(), Some("2022-02-07"));
        assert_eq!(known_since("2021-03-02").as_deref(), Some("2021-03-02"));
        for unread in ["1/2/17", "yesterday", "2021", "é2", ""] {
            assert_eq!(known_since(unread), None, "{unread}");
        }
    }
}
