//! A proxy on each link from a service to its servers.

use anyhow::{Context, Result};
use rand::RngExt;
use skeleton::testing::{Fault, Proxy};

use super::{server::Server, stage::Stage};
use crate::{
    native::{ServiceProgram, service_names},
    trial::processes,
};

/// The links of all six services.
pub struct Links(Vec<(Server, Proxy)>);

impl Links {
    /// Routes all links through proxies for as long as this value lives.
    pub async fn between<T>(stage: &mut Stage, run: impl AsyncFnOnce(&mut Stage, &Self) -> Result<T>) -> Result<T> {
        let links = Self::set(stage).await?;
        let outcome = run(stage, &links).await;
        links.heal();
        for service in service_names()? {
            start_anew(stage, service, &[]).await?;
        }
        outcome
    }

    async fn set(stage: &mut Stage) -> Result<Self> {
        let mut links = Vec::new();
        for service in service_names()? {
            let program = ServiceProgram::of(service).await?;
            let mut settings = Vec::new();
            for (server, section) in [(Server::Broker, "BROKER__URL"), (Server::of_store(service), "STORE__URL")] {
                let url = program.setting(section)?;
                let place = place_in(url).with_context(|| format!("{section} of {service} names no server"))?;
                let proxy = Proxy::with_seed(place, stage.rng.random()).await;
                let through = url.replace(place, &proxy.address().to_string());
                settings.push((format!("{}__{section}", service.to_uppercase()), through));
                links.push((server, proxy));
            }
            start_anew(stage, service, &settings).await?;
        }
        Ok(Self(links))
    }

    /// Applies a fault to every link to a server, in both directions.
    pub fn fault(&self, server: Server, fault: Fault) {
        self.to(server).for_each(|proxy| proxy.fault(fault));
    }

    /// Applies a fault to what the server sends.
    pub fn fault_down(&self, server: Server, fault: Fault) {
        self.to(server).for_each(|proxy| proxy.fault_down(fault));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.0.iter().for_each(|(_, proxy)| proxy.heal());
    }

    fn to(&self, server: Server) -> impl Iterator<Item = &Proxy> {
        self.0.iter().filter(move |(at, _)| *at == server).map(|(_, proxy)| proxy)
    }
}

async fn start_anew(stage: &mut Stage, service: &str, settings: &[(String, String)]) -> Result<()> {
    stage.system.kill(service).await?;
    processes::start_service(service, settings).await
}

/// `host:port` in an address.
fn place_in(url: &str) -> Option<&str> {
    let (_, place) = url.rsplit_once('@').or_else(|| url.split_once("://"))?;
    place.split('/').next()
}
