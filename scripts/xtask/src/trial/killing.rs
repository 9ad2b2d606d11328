//! Kills at random moments, spread over the whole flow.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rand::{RngExt, rngs::StdRng};
use tokio::sync::watch;

use super::{Flow, Ledger, System, flow::BOOK, processes, system::services_of_trial};

/// How long the broker hangs before it is killed: messages sent to it meanwhile are lost, unless the sender waits for
/// the confirm.
const HANGING: Duration = Duration::from_millis(500);

/// The maximum random delay of a kill beyond its share of the flow.
const JITTER: Duration = Duration::from_millis(300);

/// The length of the flow, and the number of kills.
#[derive(Args, Clone)]
pub struct Killing {
    /// The number of events of new contacts; the changes and links that follow from them are additional.
    #[arg(long, default_value_t = 10_000)]
    pub events: usize,
    /// How many times services are killed, each in turn.
    #[arg(long = "services", default_value_t = 20)]
    pub services: usize,
    /// How many times the broker is killed.
    #[arg(long, default_value_t = 2)]
    pub broker: usize,
}

/// The process to kill.
#[derive(Clone, Copy)]
enum Victim {
    Service(&'static str),
    Broker,
}

impl Killing {
    /// Lets the events flow, kills meanwhile, and waits for the ledger.
    ///
    /// The flow and the kills wait for each other: the n-th kill comes once its share of the address books is filled,
    /// and no more of them are filled before it. So every kill hits events in flight, however fast the machine is.
    pub async fn run(&self, system: &mut System, rng: &mut StdRng) -> Result<Ledger> {
        let books = self.events.div_ceil(BOOK);
        let victims = self.victims()?;
        let flow = Flow::start(books).await?;
        let made = watch::Sender::new(0_usize);
        let goes_on = async |book: usize| {
            // Half a share beyond the next kill, so that the kill does not find the flow ended.
            let is_due = |made: &usize| *made == victims.len() || book * victims.len() < books * made + books / 2 + 1;
            made.subscribe().wait_for(is_due).await.is_ok() && book < books
        };
        let killing = async {
            for (turn, victim) in victims.iter().enumerate() {
                let mut filled = flow.filled();
                let due = books * turn / victims.len();
                filled.wait_for(|filled| *filled >= due).await.context("the flow ended early")?;
                tokio::time::sleep(JITTER.mul_f64(rng.random())).await;
                victim.kill(system).await?;
                let (name, all, so_far) = (victim.name(), victims.len(), *flow.filled().borrow());
                println!("killed {name} ({} of {all}, after {so_far} of {books} address books)", turn + 1);
                made.send_replace(turn + 1);
            }
            Ok::<_, anyhow::Error>(())
        };
        tokio::try_join!(flow.run(goes_on), killing)?;
        flow.settled().await
    }

    /// Each service in turn, with the broker spread between them.
    fn victims(&self) -> Result<Vec<Victim>> {
        let services = services_of_trial()?;
        let every = self.services / (self.broker + 1);
        let mut victims = Vec::with_capacity(self.services + self.broker);
        let mut broker_left = self.broker;
        for turn in 0..self.services {
            victims.push(Victim::Service(services[turn % services.len()]));
            if broker_left > 0 && every > 0 && (turn + 1).is_multiple_of(every) {
                victims.push(Victim::Broker);
                broker_left -= 1;
            }
        }
        victims.extend(std::iter::repeat_n(Victim::Broker, broker_left));
        Ok(victims)
    }
}

impl Victim {
    fn name(self) -> &'static str {
        match self {
            Self::Service(service) => service,
            Self::Broker => "the broker",
        }
    }

    /// Kills it and restarts it at once.
    async fn kill(self, system: &mut System) -> Result<()> {
        match self {
            Self::Service(service) => {
                system.kill(service).await?;
                system.start_again(service).await
            }
            Self::Broker => {
                processes::kill_after_hanging("rabbitmq", HANGING).await?;
                processes::start_server("rabbitmq").await
            }
        }
    }
}
