//! Candidate numbers and texts for a shape, simplest first.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Value, json};

use crate::{
    shape::Shape,
    values::{Kind, compare, fits_pattern},
};

const TEXTS: [&str; 9] = [
    "",
    "a",
    "A",
    "0",
    "ab-1",
    "1f6a2a52-60f8-4f0c-8c0e-6a1f8f5e9b10",
    "2026-11-01",
    "2026-11-01T09:30:00Z",
    "a@example.org",
];

/// Returns matching numbers, the simplest first, then those at the bounds.
pub(crate) fn numbers(shape: &Shape<'_>, kind: Kind) -> Vec<Value> {
    let step = shape.steps().into_iter().reduce(f64::max);
    let bounds: Vec<Value> =
        [true, false].iter().filter_map(|lower| shape.bound(*lower)).map(|(value, _)| value.clone()).collect();
    let mut tries = vec![json!(0), json!(1), json!(-1), json!(0.5), json!(1.5)];
    for bound in &bounds {
        tries.extend(around(bound));
        if let (Some(step), Some(bound)) = (step, bound.as_f64()) {
            tries.extend(
                [(bound / step).floor() * step, (bound / step).ceil() * step, ((bound / step).floor() + 1.0) * step]
                    .map(tidy),
            );
        }
    }
    tries.extend(step.into_iter().flat_map(|step| [tidy(step), tidy(-step), tidy(step * 3.0)]));
    tries.retain(|value| fits_number(shape, kind, value));
    tries
}

/// Returns a number and its neighbours.
pub(crate) fn around(value: &Value) -> Vec<Value> {
    if let Some(number) = value.as_i64() {
        let near = [Some(number), number.checked_sub(1), number.checked_add(1)];
        let halves =
            (number.unsigned_abs() < 1 << 50).then(|| [json!(number as f64 - 0.5), json!(number as f64 + 0.5)]);
        return near.into_iter().flatten().map(Value::from).chain(halves.into_iter().flatten()).collect();
    }
    match (value.as_u64(), value.as_f64()) {
        (Some(number), _) => [Some(number), number.checked_sub(1), number.checked_add(1)]
            .into_iter()
            .flatten()
            .map(Value::from)
            .collect(),
        (_, Some(number)) => [number, number - 0.5, number + 0.5, number - 1.0, number + 1.0].map(tidy).into(),
        _ => vec![],
    }
}

/// Returns a number in its shortest form.
fn tidy(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}

fn fits_number(shape: &Shape<'_>, kind: Kind, value: &Value) -> bool {
    let number = value.as_f64().unwrap_or_default();
    let inside = |lower: bool| {
        shape.bound(lower).is_none_or(|(bound, open)| {
            let order = compare(value, bound);
            let order = if lower { order } else { order.reverse() };
            order.is_gt() || (order.is_eq() && !open)
        })
    };
    let is_whole = Kind::of(value) == Kind::Whole;
    (kind != Kind::Whole || is_whole)
        && inside(true)
        && inside(false)
        && shape.steps().iter().all(|step| (number / step).fract().abs() < 1e-9)
}

/// Returns candidate texts, shortest first.
pub(crate) fn texts(shape: &Shape<'_>) -> Vec<Value> {
    let least = shape.least("minLength") as usize;
    let most = shape.most("maxLength").map_or(usize::MAX, |most| most as usize);
    let mut tries: Vec<String> = TEXTS.iter().map(|text| (*text).to_owned()).collect();
    for format in shape.texts("format") {
        tries.extend(of_format(format).map(str::to_owned));
    }
    for pattern in shape.texts("pattern") {
        tries.extend(matching(pattern));
    }
    let lengths = [Some(least), least.checked_add(1), (most < 5000).then_some(most)];
    tries.extend(lengths.into_iter().flatten().filter(|length| *length <= 5000).map(|length| "a".repeat(length)));
    tries.retain(|text| (least..=most).contains(&text.chars().count()));
    tries.retain(|text| shape.texts("pattern").iter().all(|pattern| fits_pattern(pattern, text) != Some(false)));
    let formats = shape.texts("format");
    tries.retain(|text| formats.iter().all(|format| of_format(format) == Some(text)));
    tries.sort_by_key(String::len);
    tries.dedup();
    tries.into_iter().map(Value::String).collect()
}

fn of_format(format: &str) -> Option<&'static str> {
    match format {
        "uuid" => Some("1f6a2a52-60f8-4f0c-8c0e-6a1f8f5e9b10"),
        "date" => Some("2026-11-01"),
        "date-time" => Some("2026-11-01T09:30:00Z"),
        "ipv4" => Some("192.0.2.1"),
        "ipv6" => Some("2001:db8::1"),
        _ => None,
    }
}

/// Returns the shortest text that matches a pattern.
pub(crate) fn matching(pattern: &str) -> Option<String> {
    let mut text = String::new();
    write_match(&regex_syntax::parse(pattern).ok()?, &mut text)?;
    Some(text)
}

fn write_match(hir: &Hir, text: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let first = class.iter().next()?.start();
            let letter = ['a', 'A', '0']
                .into_iter()
                .find(|letter| class.iter().any(|range| (range.start()..=range.end()).contains(letter)));
            text.push(letter.unwrap_or(first));
        }
        HirKind::Class(Class::Bytes(class)) => text.push(char::from(class.iter().next()?.start())),
        HirKind::Repetition(repeated) => {
            for _ in 0..repeated.min.min(300) {
                write_match(&repeated.sub, text)?;
            }
        }
        HirKind::Capture(group) => write_match(&group.sub, text)?,
        HirKind::Concat(all) => all.iter().try_for_each(|part| write_match(part, text))?,
        HirKind::Alternation(all) => write_match(all.first()?, text)?,
    }
    Some(())
}
