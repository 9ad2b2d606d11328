//! Whole numbers: JSON Schema accepts `1.0` and `1e0` as integers, serde does not.

use serde_json::{Number, Value};

/// Returns the data with every whole number in integer form. Its meaning is unchanged.
#[must_use]
pub fn with_whole_numbers(data: Value) -> Value {
    match data {
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Object(fields) => fields.into_iter().map(|(field, value)| (field, with_whole_numbers(value))).collect(),
        other => other,
    }
}

/// Returns the pointers of all whole numbers.
pub fn whole_numbers_in(data: &Value) -> Vec<String> {
    match data {
        Value::Number(number) if number.as_f64().is_some_and(|it| it.fract() == 0.0) => vec![String::new()],
        Value::Array(items) => items.iter().enumerate().flat_map(|(at, item)| below(&at.to_string(), item)).collect(),
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| below(name, value)).collect(),
        _ => Vec::new(),
    }
}

fn below(name: &str, value: &Value) -> Vec<String> {
    let name = name.replace('~', "~0").replace('/', "~1");
    whole_numbers_in(value).into_iter().map(|rest| format!("/{name}{rest}")).collect()
}

fn whole(number: &Number) -> Option<Number> {
    /// 2⁶³: the smallest double above every `i64`.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let double = number.as_f64().filter(|double| number.is_f64() && double.fract() == 0.0)?;
    // In this range, a whole double converts to an integer without loss.
    (-END..END).contains(&double).then(|| Number::from(double as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        let text = r#"{"a":[1.0,1e0,-2.50e1,5000000000.0,9007199254740993,0.5],"b":-0.0,"c":1e300}"#;
        let data: Value = serde_json::from_str(text).unwrap_or_default();

        let whole = with_whole_numbers(data);

        assert_eq!(
            whole,
            json!({"a": [1, 1, -25, 5_000_000_000_i64, 9_007_199_254_740_993_i64, 0.5], "b": 0, "c": 1e300})
        );
    }

    #[test]
    fn the_places_of_whole_numbers_are_pointers() {
        let data = json!({"a": [{"b/~": 1}, {"c": 1e300}], "d": 1.5, "e": "1"});

        let places = whole_numbers_in(&data);

        assert_eq!(places, ["/a/0/b~1~0", "/a/1/c"]);
        assert!(places.iter().all(|place| data.pointer(place).is_some_and(Value::is_number)));
    }
}
