//! Kills at moments of chance, spread over the whole of a flow.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rand::{RngExt, rngs::StdRng};
use tokio::sync::watch;

use super::{Flow, Ledger, System, flow::BOOK, processes, system::SERVICES};

/// How long the broker hangs before it is killed: what is sent to it then is lost with it, unless somebody waits for the
/// confirm.
const HANGING: Duration = Duration::from_millis(500);

/// How much later than its share of the flow a kill may come.
const JITTER: Duration = Duration::from_millis(300);

/// How much flows, and how often who is killed.
#[derive(Args, Clone)]
pub struct Killing {
    /// How many events of new contacts flow; the changes and links that follow from them come on top.
    #[arg(long, default_value_t = 10_000)]
    pub events: usize,
    /// How often a service is killed, each in turn.
    #[arg(long = "services", default_value_t = 20)]
    pub services: usize,
    /// How often the broker is killed.
    #[arg(long, default_value_t = 2)]
    pub broker: usize,
}

/// Who is killed.
#[derive(Clone, Copy)]
enum Victim {
    Service(&'static str),
    Broker,
}

impl Killing {
    /// Lets the events flow, kills meanwhile, and waits for the ledger.
    ///
    /// The flow and the kills wait for each other: the n-th kill comes when its share of the address books is filled, and no
    /// more of them are filled before it. So each meets events on their way, however fast a machine is.
    pub async fn run(&self, system: &mut System, rng: &mut StdRng) -> Result<Ledger> {
        let books = self.events.div_ceil(BOOK);
        let victims = self.victims();
        let flow = Flow::start(books).await?;
        let made = watch::Sender::new(0_usize);
        let goes_on = async |book: usize| {
            // Half a share further than the next kill: that one must not find the end of the flow.
            let is_due = |made: &usize| *made == victims.len() || book * victims.len() < books * made + books / 2 + 1;
            made.subscribe().wait_for(is_due).await.is_ok() && book < books
        };
        let killing = async {
            for (turn, victim) in victims.iter().enumerate() {
                let mut filled = flow.filled();
                let due = books * turn / victims.len();
                filled.wait_for(|filled| *filled >= due).await.context("the flow has ended before its time")?;
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

    /// Each service in turn, and the broker in between.
    fn victims(&self) -> Vec<Victim> {
        let every = self.services / (self.broker + 1);
        let mut victims = Vec::with_capacity(self.services + self.broker);
        let mut broker_left = self.broker;
        for turn in 0..self.services {
            victims.push(Victim::Service(SERVICES[turn % SERVICES.len()]));
            if broker_left > 0 && every > 0 && (turn + 1).is_multiple_of(every) {
                victims.push(Victim::Broker);
                broker_left -= 1;
            }
        }
        victims.extend(std::iter::repeat_n(Victim::Broker, broker_left));
        victims
    }
}

impl Victim {
    fn name(self) -> &'static str {
        match self {
            Self::Service(service) => service,
            Self::Broker => "the broker",
        }
    }

    /// Kills it and starts it again at once.
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
