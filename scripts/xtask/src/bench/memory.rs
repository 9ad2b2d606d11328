//! The memory that the six services use while idle and under load.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use uuid::Uuid;

use super::{
    Size,
    load::Lane,
    report::{Aim, Finding, Report},
    six::{Member, Six, public},
};

/// The number of concurrent connections.
const CONNECTIONS: usize = 16;

/// Starts all six services and reads their memory, idle and after a load.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let Some(six) = Six::start("memory", report).await? else { return Ok(()) };
    let found = at_rest_and_under_load(&six, size).await;
    six.stop().await?;
    let (at_rest, under_load, asked) = found?;
    let finding =
        |what: String, unit, value, aim| Finding { ours: vec![value], ..Finding::new("memory", what, unit, aim) };
    let sum = |found: &[(&str, f64)]| found.iter().map(|(_, megabytes)| megabytes).sum::<f64>();
    report.findings.push(finding("all six services, idle".to_owned(), "MB", sum(&at_rest), Aim::AtMost(60.0)));
    let most = "all six services, peak under load";
    report.findings.push(finding(most.to_owned(), "MB", sum(&under_load), Aim::AtMost(150.0)));
    report.findings.push(finding("that load".to_owned(), "requests/s", asked, Aim::None));
    for ((service, rest), (_, most)) in at_rest.into_iter().zip(under_load) {
        report.findings.push(finding(format!("{service}, idle"), "MB", rest, Aim::None));
        report.findings.push(finding(format!("{service}, peak under load"), "MB", most, Aim::None));
    }
    Ok(())
}

type ByService = Vec<(&'static str, f64)>;

async fn at_rest_and_under_load(six: &Six, size: Size) -> Result<(ByService, ByService, f64)> {
    tokio::time::sleep(Duration::from_secs(size.choose(10, 1) as u64)).await;
    let at_rest = six.memory("VmRSS:")?;
    let member = six.member().await?;
    let asked = load(&member, Duration::from_secs(size.choose(20, 1) as u64)).await?;
    Ok((at_rest, six.memory("VmHWM:")?, asked))
}

/// Adds, shows, lists and searches contacts as fast as responses arrive. Returns requests per second.
async fn load(member: &Member, length: Duration) -> Result<f64> {
    let began = Instant::now();
    let lanes = (0..CONNECTIONS).map(async |lane| {
        let mut connection = Lane::open(&public()).await?;
        let mut count = 0usize;
        while began.elapsed() < length {
            connection.ask(&next(member, lane + count)).await?;
            count += 1;
        }
        anyhow::Ok(count)
    });
    let count: usize = try_join_all(lanes).await?.into_iter().sum();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn next(member: &Member, turn: usize) -> Vec<u8> {
    let key = Uuid::new_v4();
    let contact = format!(r#"{{"name":"Bench {}","emails":["{}@bench.test"]}}"#, key.simple(), key.simple());
    match turn % 4 {
        0 => member.request("POST", "contacts", Some(key), &contact),
        1 => member.request("GET", &format!("contacts/{}", member.contact), None, ""),
        2 => member.request("GET", "contacts?limit=20", None, ""),
        _ => member.request("GET", "search?q=Bench&limit=10", None, ""),
    }
}
