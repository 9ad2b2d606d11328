//! The replicas that a rolling restart starts and stops, instead of those that `deploy/native` runs.

use std::{collections::BTreeMap, net::TcpListener, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;
use tokio::process::{Child, Command};

use super::{balancer::Balancer, place::Place};
use crate::{
    native::{self, ServiceProgram, service_names},
    wait::until,
};

/// The notice of a gateway: how long it stays open after its readiness went off, ten checks of the load balancer.
const NOTICE_MS: u64 = 1000;

/// How long a replica may take to become ready, and to stop.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A replica of each service.
pub struct Replicas {
    running: BTreeMap<&'static str, Replica>,
    balancer: Balancer,
    native_ran: bool,
}

struct Replica {
    process: Child,
    place: Place,
}

impl Replicas {
    /// Starts with no replicas. Those that `deploy/native` runs are stopped.
    pub async fn in_place_of_native(balancer: Balancer) -> Result<Self> {
        let native_ran = native::script("services").arg("status").output().await?.status.success();
        native::run(native::script("services").arg("stop")).await?;
        Ok(Self { running: BTreeMap::new(), balancer, native_ran })
    }

    /// Starts a replica of each service.
    pub async fn start_all(&mut self) -> Result<()> {
        for service in service_names()? {
            self.begin(service).await?;
        }
        Ok(())
    }

    /// Stops them, and has `deploy/native` restart its own if it had any.
    pub async fn hand_back(mut self) -> Result<()> {
        while let Some((service, replica)) = self.running.pop_last() {
            replica.stop(service).await?;
        }
        if self.native_ran {
            native::run(native::script("services").arg("start")).await?;
        }
        Ok(())
    }

    /// Replaces the running replica: the old one is stopped once the new one is ready. Returns whether the old one
    /// completed all its work.
    pub async fn restart(&mut self, service: &'static str) -> Result<bool> {
        let Some(old) = self.begin(service).await? else { return Ok(true) };
        let place = old.place.clone();
        let has_finished = old.stop(service).await?;
        self.balancer.remove(&place);
        Ok(has_finished)
    }

    /// Starts a replica and waits until it is in use. Returns the previous one.
    async fn begin(&mut self, service: &'static str) -> Result<Option<Replica>> {
        let replica = Replica::start(service).await?;
        if service == "gateway" {
            self.balancer.add(replica.place.clone());
            until("the load balancer to use a new gateway", TIMEOUT, async || Ok(self.balancer.uses(&replica.place)))
                .await?;
        }
        Ok(self.running.insert(service, replica))
    }
}

impl Replica {
    async fn start(service: &'static str) -> Result<Self> {
        let [admin, public] = two_free_ports()?;
        let place = Place { admin, public: format!("http://{public}") };
        let notice = NOTICE_MS.to_string();
        let mut settings = vec![("ADMIN__ADDRESS", place.admin.as_str()), ("LIFE__NOTICE_MS", notice.as_str())];
        if service == "gateway" {
            settings.push(("HTTP__ADDRESS", public.as_str()));
        }
        let mut process = ServiceProgram::of(service).await?.start(&settings)?;
        let client = Client::new();
        let mut has_ended = false;
        until(&format!("{service} to be ready"), TIMEOUT, async || {
            has_ended = process.try_wait().is_ok_and(|status| status.is_some());
            Ok(has_ended || place.is_ready(&client).await)
        })
        .await?;
        ensure!(!has_ended, "{service} exited while starting: see its log");
        Ok(Self { process, place })
    }

    /// Stops it with SIGTERM, and waits until it has exited. Returns whether it completed all its work.
    async fn stop(mut self, service: &str) -> Result<bool> {
        let pid = self.process.id().with_context(|| format!("{service} has already exited"))?;
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        ensure!(sent.success(), "cannot stop {service}: there is no process {pid}");
        let Ok(ended) = tokio::time::timeout(TIMEOUT, self.process.wait()).await else {
            bail!("{service} did not stop within {} s", TIMEOUT.as_secs());
        };
        let status = ended?;
        ensure!(matches!(status.code(), Some(0 | 1)), "{service} did not exit normally: {status}");
        Ok(status.success())
    }
}

/// Two free addresses.
fn two_free_ports() -> Result<[String; 2]> {
    let [one, other] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([one.local_addr()?.to_string(), other.local_addr()?.to_string()])
}
