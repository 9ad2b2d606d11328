//! A steady load on the public API: requests are sent on schedule, whether or not earlier ones have been answered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};
use uuid::Uuid;

use super::{
    answers::{Answer, Kind},
    balancer::Balancer,
};
use crate::public::{Session, contact_names, good, id_of, known_to_network, sign_up};

/// How long a caller waits for a response.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Shorter than the gateway's own (`http.header_timeout_ms`), as in every load balancer: the side that closes an idle
/// connection must be the one that would send on it.
const KEPT_IDLE: Duration = Duration::from_secs(2);

/// How long the services may take to process a contacts file.
const SETTLING: Duration = Duration::from_secs(60);

/// How many contacts each imported file has.
pub const CONTACTS_A_FILE: usize = 3;

/// The requests, out of a hundred. An import is sent once a second.
const MIX: [(Kind, u32); 8] = [
    (Kind::AddContact, 30),
    (Kind::ChangeMe, 5),
    (Kind::ShowContact, 15),
    (Kind::ListContacts, 10),
    (Kind::Search, 15),
    (Kind::Degrees, 10),
    (Kind::Me, 5),
    (Kind::Notifications, 10),
];

/// The contacts that the public API shows.
pub struct Shown {
    /// The number of different contacts.
    pub contacts: usize,
    /// Acknowledged contacts that are missing.
    pub lost: i64,
    /// Contacts that are shown more than once.
    pub doubled: i64,
}

/// The members who send requests.
pub struct Load {
    client: Client,
    balancer: Balancer,
    members: Vec<Member>,
    /// Unique to this run.
    run: String,
    /// The names of acknowledged contacts, which must exist in the end.
    acknowledged: Mutex<Vec<String>>,
}

struct Member {
    account_id: Uuid,
    token: String,
    /// Their acknowledged contacts.
    contacts: Mutex<Vec<Uuid>>,
}

impl Load {
    /// Registers this many members, and waits until every service knows them.
    pub async fn prepare(balancer: Balancer, members: usize) -> Result<Arc<Self>> {
        let client = Client::builder().timeout(TIMEOUT).pool_idle_timeout(KEPT_IDLE).build()?;
        let run = Uuid::new_v4().simple().to_string()[..12].to_owned();
        let mut load = Self { client, balancer, members: Vec::new(), run, acknowledged: Mutex::default() };
        let joining = stream::iter(0..members).map(|number| load.join(number)).buffered(4);
        let members = joining.try_collect().await?;
        load.members = members;
        Ok(Arc::new(load))
    }

    async fn join(&self, number: usize) -> Result<Member> {
        let (email, password) = (format!("{}-{number}@rolling.test", self.run), self.run.clone());
        let order = |path: &str| self.post(path, "");
        let Session { account, token } = sign_up(order, &email, &password, &format!("Member {number}")).await?;
        known_to_network(|| self.get("network/degrees", &token)).await?;
        Ok(Member { account_id: account, token, contacts: Mutex::default() })
    }

    /// The accounts of the members.
    pub fn accounts(&self) -> Vec<Uuid> {
        self.members.iter().map(|member| member.account_id).collect()
    }

    /// Sends requests at this rate until stopped. Once a second one of the members imports a file, each member once.
    pub async fn run(self: Arc<Self>, rate: u32, enough: watch::Receiver<bool>) -> Result<Vec<Answer>> {
        let mut rng = StdRng::seed_from_u64(1);
        let mut clock = tokio::time::interval(Duration::from_secs(1) / rate);
        let (mut open, mut answers) = (JoinSet::new(), Vec::new());
        let mut importers = 0..self.members.len();
        for number in 0u64.. {
            // Measured from when it was due, so that time spent waiting behind others counts.
            let due = clock.tick().await;
            if *enough.borrow() {
                break;
            }
            let import = if number.is_multiple_of(rate.into()) { importers.next() } else { None };
            let (kind, member) = match import {
                Some(member) => (Kind::Import, member),
                None => {
                    let (kind, _) = MIX.choose_weighted(&mut rng, |(_, share)| *share)?;
                    (*kind, rng.random_range(0..self.members.len()))
                }
            };
            let load = self.clone();
            open.spawn(async move {
                let asked = load.ask(kind, member, number).await;
                Answer { kind, took: due.elapsed(), failure: asked.err().map(|error| format!("{error:#}")) }
            });
            while let Some(answer) = open.try_join_next() {
                answers.push(answer?);
            }
        }
        answers.extend(open.join_all().await);
        Ok(answers)
    }

    async fn ask(&self, kind: Kind, member: usize, number: u64) -> Result<()> {
        let member = &self.members[member];
        let token = &member.token;
        let request = match kind {
            Kind::AddContact => return self.add_contact(member, number).await,
            Kind::Import => return self.import(member, number).await,
            Kind::ChangeMe => self.patch("me", token)?.json(&json!({ "name": format!("Member {number}") })),
            Kind::ShowContact => match chosen(&member.contacts) {
                Some(contact) => self.get(&format!("contacts/{contact}"), token)?,
                None => self.get("contacts?limit=1", token)?,
            },
            Kind::ListContacts => self.get("contacts?limit=20", token)?,
            Kind::Search => self.get("search?q=Rolling&limit=10", token)?,
            Kind::Degrees => self.get("network/degrees", token)?,
            Kind::Me => self.get("me", token)?,
            Kind::Notifications => self.get("notifications?limit=10", token)?,
        };
        good(request).await.map(drop)
    }

    async fn add_contact(&self, member: &Member, number: u64) -> Result<()> {
        let (name, email) = self.contact(number, 0);
        let contact = json!({ "name": name, "emails": [email] });
        let added = good(self.post("contacts", &member.token)?.json(&contact)).await?;
        member.contacts.lock().unwrap_or_else(PoisonError::into_inner).push(id_of(&added)?);
        self.acknowledge([name]);
        Ok(())
    }

    async fn import(&self, member: &Member, number: u64) -> Result<()> {
        let contacts: Vec<_> = (0..CONTACTS_A_FILE).map(|place| self.contact(number, place)).collect();
        let card = |(name, email): &(String, String)| {
            format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\nEMAIL:{email}\r\nEND:VCARD\r\n")
        };
        let file: String = contacts.iter().map(card).collect();
        let request = self.post("imports?name=rolling.vcf", &member.token)?.header("content-type", "text/vcard");
        good(request.body(file)).await?;
        self.acknowledge(contacts.into_iter().map(|(name, _)| name));
        Ok(())
    }

    /// A unique name and e-mail address for a contact.
    fn contact(&self, number: u64, place: usize) -> (String, String) {
        let unique = format!("{}-{number}-{place}", self.run);
        (format!("Rolling {unique}"), format!("{unique}@rolling.test"))
    }

    fn acknowledge(&self, names: impl IntoIterator<Item = String>) {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// Waits until the public API shows every acknowledged contact, or the time is up, and counts.
    pub async fn settled(&self) -> Result<Shown> {
        let began = Instant::now();
        loop {
            let shown = self.shown().await?;
            if shown.lost == 0 || began.elapsed() > SETTLING {
                return Ok(shown);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn shown(&self) -> Result<Shown> {
        let mut shown: HashMap<String, i64> = HashMap::new();
        for member in &self.members {
            let page = async |cursor: Option<String>| {
                good(self.get("contacts?limit=200", &member.token)?.query(&[("cursor", cursor)])).await
            };
            for name in contact_names(page).await? {
                *shown.entry(name).or_default() += 1;
            }
        }
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = acknowledged.iter().filter(|name| !shown.contains_key(*name)).count() as i64;
        Ok(Shown { contacts: shown.len(), lost, doubled: shown.values().map(|times| times - 1).sum() })
    }

    fn get(&self, path: &str, token: &str) -> Result<RequestBuilder> {
        Ok(self.client.get(format!("{}/api/v1/{path}", self.balancer.next()?)).bearer_auth(token))
    }

    fn post(&self, path: &str, token: &str) -> Result<RequestBuilder> {
        self.order(Method::POST, path, token)
    }

    fn patch(&self, path: &str, token: &str) -> Result<RequestBuilder> {
        self.order(Method::PATCH, path, token)
    }

    fn order(&self, method: Method, path: &str, token: &str) -> Result<RequestBuilder> {
        let request = self.client.request(method, format!("{}/api/v1/{path}", self.balancer.next()?));
        Ok(request.bearer_auth(token).header("idempotency-key", Uuid::new_v4().to_string()))
    }
}

fn chosen(contacts: &Mutex<Vec<Uuid>>) -> Option<Uuid> {
    contacts.lock().unwrap_or_else(PoisonError::into_inner).choose(&mut rand::rng()).copied()
}
