//! HTTP through the gateway to a request over the broker and back, beside the request alone. All six services run.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use contacts_events::GetContact;
use skeleton::stop;

use super::{
    Size,
    load::Lane,
    report::{Aim, Finding, Report, quantile},
    six::{Six, public},
};
use crate::asker::Asker;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Alternates between the request over the broker and the same request over HTTP.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let Some(six) = Six::start("gateway", report).await? else { return Ok(()) };
    let found = compare(&six, size).await;
    six.stop().await?;
    let (through, alone) = found?;
    let more: Vec<f64> = through.iter().zip(&alone).map(|(through, alone)| (through - alone) / 1e3).collect();
    let whole = Finding::new("gateway", "p50 of GET /contacts/{id}, beside the request alone", "µs", Aim::None);
    report.findings.push(Finding { ours: through, baseline: alone, ..whole });
    let added = Finding::new("gateway", "overhead of the gateway at p50", "ms", Aim::AtMost(0.3));
    report.findings.push(Finding { ours: more, ..added });
    Ok(())
}

async fn compare(six: &Six, size: Size) -> Result<(Vec<f64>, Vec<f64>)> {
    let member = six.member().await?;
    let (stopper, stop) = stop::channel();
    let asker = Asker::connect(TIMEOUT, stop).await?;
    let request = member.request("GET", &format!("contacts/{}", member.contact), None, "");
    let asked = GetContact { contact_id: member.contact, account_id: member.account };
    let mut lane = Lane::open(&public()).await?;
    let (mut through, mut alone) = (Vec::new(), Vec::new());
    for round in 0..=size.choose(9, 2) {
        let (mut by_http, mut by_broker) = (Vec::new(), Vec::new());
        for _ in 0..size.choose(300, 30) {
            let began = Instant::now();
            asker.ask(&asked).await.map_err(|problem| anyhow!("{problem}"))?;
            by_broker.push(began.elapsed().as_secs_f64() * 1e6);
            let began = Instant::now();
            lane.ask(&request).await?;
            by_http.push(began.elapsed().as_secs_f64() * 1e6);
        }
        // The first round warms up.
        if round > 0 {
            through.push(quantile(&by_http, 0.5));
            alone.push(quantile(&by_broker, 0.5));
        }
    }
    stopper.stop();
    Ok((through, alone))
}
