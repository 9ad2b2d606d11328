//! The due times of cron expressions, also on days with clock changes.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use skeleton::schedule::CronSchedule;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn due(expression: &str, after: &str, until: &str) -> Vec<String> {
    let rhythm = CronSchedule::parse(expression, Tz::Europe__Berlin).unwrap();
    let found = rhythm.between(at(after), at(until), 100);
    let mut forward = Vec::new();
    let mut last = at(after);
    while let Some(next) = rhythm.next_after(last).filter(|next| *next <= at(until)) {
        forward.push(next);
        last = next;
    }
    assert_eq!(found, forward, "{expression}: past and future differ");
    found.iter().map(|due| due.with_timezone(&Tz::Europe__Berlin).format("%d %H:%M %z").to_string()).collect()
}

#[test]
fn a_time_that_the_clock_leaves_out_is_due_once_right_after_the_gap() {
    let found = due("30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z");

    assert_eq!(found, ["28 02:30 +0100", "29 03:00 +0200", "30 02:30 +0200"]);
}

#[test]
fn a_time_that_comes_twice_is_due_once() {
    let found = due("30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");

    assert_eq!(found, ["25 02:30 +0200", "26 02:30 +0100"]);
}

#[test]
fn twice_an_hour_is_twice_in_each_hour_that_really_passes() {
    let spring = due("*/30 * * * *", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
    let autumn = due("*/30 * * * *", "2026-10-24T23:30:00Z", "2026-10-25T02:00:00Z");

    assert_eq!(spring, ["29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200", "29 04:00 +0200"]);
    let passes = ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"];
    assert_eq!(autumn, passes);
}

#[test]
fn monday_morning_is_at_the_same_hour_in_summer_and_in_winter() {
    let found = due("0 8 * * MON", "2026-10-18T00:00:00Z", "2026-10-27T00:00:00Z");

    assert_eq!(found, ["19 08:00 +0200", "26 08:00 +0100"]);
}

#[test]
fn of_many_due_times_the_newest_are_found() {
    let rhythm = CronSchedule::parse("* * * * *", Tz::UTC).unwrap();

    let found = rhythm.between(at("2020-01-01T00:00:00Z"), at("2026-11-22T10:00:30Z"), 2);

    assert_eq!(found, [at("2026-11-22T09:59:00Z"), at("2026-11-22T10:00:00Z")]);
}

#[test]
fn what_is_no_expression_or_never_due_is_said() {
    for (expression, said) in [("every day", "is not a cron expression"), ("0 0 30 2 *", "is never due")] {
        let error = CronSchedule::parse(expression, Tz::UTC).unwrap_err();

        assert!(error.contains(said), "{error}");
    }
}
