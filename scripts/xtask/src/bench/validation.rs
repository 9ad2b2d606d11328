//! The cost of validating a consumed message against its schema, as a share of a consume.

use std::{hint::black_box, time::Instant};

use anyhow::{Context, Result};
use contacts_events::ContactAddedV2;
use events::{Message, Validator};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Size, consume,
    report::{Aim, Finding, Report},
};

/// Deserializes the same event directly, and parsed, validated and then deserialized, as a consumer does.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(5, 1), size.choose(50_000, 1000));
    let body = serde_json::to_vec(&contacts_events::samples::contact_added_v2())?;
    let validator = Validator::of(ContactAddedV2::ENTRY);
    let mut share = Finding::new("validation", "share of a consume under a backlog", "%", Aim::AtMost(10.0));
    let mut cost =
        Finding::new("validation", format!("parsing and validating {}", ContactAddedV2::NAME), "µs", Aim::None);
    let consume = 1e6 / consume::rate_of_backlog(size.choose(20_000, 1000)).await?;
    for _ in 0..rounds {
        let as_type = per_message(count, || read_as_type(&body))?;
        let checked = per_message(count, || read_checked(&validator, &body))?;
        cost.ours.push(checked - as_type);
        share.ours.push(100.0 * (checked - as_type) / consume);
    }
    report.findings.extend([share, cost]);
    Ok(())
}

fn read_as_type(body: &[u8]) -> Result<ContactAddedV2> {
    Ok(serde_json::from_slice(body)?)
}

fn read_checked(validator: &Validator, body: &[u8]) -> Result<ContactAddedV2> {
    let data: Value = serde_json::from_slice(body)?;
    validator.check(&data)?;
    Ok(ContactAddedV2::deserialize(data)?)
}

/// Microseconds per call, over `count` calls.
fn per_message<T>(count: usize, read: impl Fn() -> Result<T>) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..count {
        black_box(read().context("a sample is valid")?);
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / count as f64)
}
