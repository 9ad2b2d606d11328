//! A gateway under test, with stubs for the services that it calls, and members with tokens.

use std::sync::{Arc, Mutex};

use accounts_events as accounts;
use contacts_events as contacts;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use network_events as network;
use notifications_events as notifications;
use reqwest::{Client, Method, RequestBuilder, Response};
use search_events as search;
use serde_json::{Value, json};
use skeleton::{HandlerResult, Postgres, Problem, RequestHandlers, testing::TestApp};
use uuid::Uuid;

/// The key pair of RFC 8037 (appendix A), whose public half is in the samples.
const SECRET_KEY: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
pub const KEY_ID: &str = "2026-11-01";

/// A gateway, and a client of it.
pub struct Gateway {
    pub app: TestApp<Postgres>,
    pub http: Client,
    url: String,
}

/// The requests that a stub received, in order.
pub type Heard<T> = Arc<Mutex<Vec<T>>>;

impl Gateway {
    /// Starts a gateway whose accounts stub has the samples' keys.
    pub async fn start() -> Self {
        Self::start_with(&[], accounts()).await
    }

    /// The same with settings and with another accounts stub.
    pub async fn start_with(settings: &[(&str, &str, &str)], accounts: RequestHandlers<Postgres>) -> Self {
        let generous = [("per_address_per_minute", "100000"), ("per_account_per_minute", "100000"), ("burst", "10000")];
        let mut all: Vec<_> = generous.iter().map(|(key, value)| ("rates", *key, *value)).collect();
        all.extend(settings);
        let app = TestApp::start(gateway::service(), &all).await;
        app.answered_by("accounts", accounts).await;
        let http = Client::builder().no_proxy().build().unwrap();
        Self { url: app.http_url(), app, http }
    }

    /// A request without a token.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request of a member.
    pub fn call_with(&self, member: &Member, method: Method, path: &str) -> RequestBuilder {
        self.ask(method, path).bearer_auth(member.token())
    }

    pub async fn get(&self, member: &Member, path: &str) -> Response {
        self.call_with(member, Method::GET, path).send().await.unwrap()
    }

    /// A member's write with a JSON body.
    pub async fn order(&self, member: &Member, method: Method, path: &str, body: &Value) -> (u16, Value) {
        told(self.call_with(member, method, path).json(body).send().await.unwrap()).await
    }

    /// `host:port`, for tests that write raw requests.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

/// A member with a session.
#[derive(Clone, Copy)]
pub struct Member {
    pub account_id: Uuid,
    pub session_id: Uuid,
}

impl Member {
    pub fn new() -> Self {
        Self { account_id: Uuid::new_v4(), session_id: Uuid::new_v4() }
    }

    /// The claims of a valid token.
    pub fn claims(&self) -> Value {
        let now = jsonwebtoken::get_current_timestamp();
        json!({
            "iss": "kith", "aud": "kith-api", "sub": self.account_id, "sid": self.session_id,
            "iat": now, "exp": now + 900, "jti": Uuid::new_v4(),
        })
    }

    pub fn token(&self) -> String {
        sign(&header(), &self.claims())
    }
}

/// The header of a valid token.
pub fn header() -> Header {
    Header { typ: Some("at+jwt".to_owned()), kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::EdDSA) }
}

pub fn sign(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_ed_der(&SECRET_KEY)).unwrap()
}

/// A stub of accounts: returns its keys, accepts every registration.
pub fn accounts() -> RequestHandlers<Postgres> {
    RequestHandlers::new()
        .read(|_: accounts::GetSigningKeys, _| async { Ok(accounts_events::samples::signing_keys_view()) })
        .read(|asked: accounts::RegisterAccount, _| async move {
            let accounts::RegisterAccount { email, name, .. } = asked;
            Ok(accounts::AccountView { email, name, ..accounts_events::samples::account_view() })
        })
        .read(|asked: accounts::OpenSession, _| async move {
            match asked.password.as_str() {
                "correct horse battery" => Ok(accounts_events::samples::session_view()),
                _ => Err(Problem::new(401, "wrong-credentials", "the address or the password is wrong").into()),
            }
        })
        .read(|_: accounts::RefreshSession, _| async { Ok(accounts_events::samples::session_view()) })
        .read(|asked: accounts::GetAccount, _| async move {
            let accounts::GetAccount { account_id } = asked;
            Ok(accounts::AccountView { account_id, ..accounts_events::samples::account_view() })
        })
        .read(|asked: accounts::ChangeAccount, _| async move {
            let view = accounts_events::samples::account_view();
            let name = asked.name.unwrap_or(view.name.clone());
            Ok(accounts::AccountView { name, ..view })
        })
        .read(|_: accounts::CloseSession, _| async { Ok(()) })
        .read(|_: accounts::EraseAccountV2, _| async { Ok(accounts_events::samples::erasure_begun()) })
        .read(|asked: accounts::GetErasure, _| async move {
            Ok(accounts::ErasureView { receipt_id: asked.receipt_id, ..accounts_events::samples::erasure_view() })
        })
}

/// A stub of contacts: has one contact of one owner, and records the contacts it is asked to add.
pub fn contacts_of(owner: Uuid, added: Heard<contacts::AddContact>) -> RequestHandlers<Postgres> {
    let view = move |asked: Uuid, contact_id: Uuid| -> HandlerResult<contacts::ContactView> {
        let contact = contacts::ContactView { contact_id, owner_id: owner, ..contacts_events::samples::contact_view() };
        if asked == owner { Ok(contact) } else { Err(Problem::not_found("contact").into()) }
    };
    RequestHandlers::new()
        .read(move |asked: contacts::GetContact, _| async move { view(asked.account_id, asked.contact_id) })
        .read(move |asked: contacts::ChangeContact, _| async move { view(asked.account_id, asked.contact_id) })
        .read(
            move |asked: contacts::RemoveContact, _| async move { view(asked.account_id, asked.contact_id).map(drop) },
        )
        .read(|_: contacts::ListContacts, _| async { Ok(contacts_events::samples::contact_page()) })
        .read(move |asked: contacts::AddContact, _| {
            let name = asked.name.clone();
            added.lock().unwrap().push(asked);
            async move {
                Ok(contacts::ContactView {
                    name,
                    contact_id: Uuid::new_v4(),
                    ..contacts_events::samples::contact_view()
                })
            }
        })
        .read(|asked: contacts::GetImportV2, _| async move {
            Ok(contacts::ImportViewV2 { import_id: asked.import_id, ..contacts_events::samples::import_view_v2() })
        })
        .read(|asked: contacts::CancelImport, _| async move {
            let status = contacts::ImportViewV2Status::Cancelled;
            Ok(contacts::ImportViewV2 {
                import_id: asked.import_id,
                status,
                ..contacts_events::samples::import_view_v2()
            })
        })
        .read(|asked: contacts::ExportContacts, _| async move {
            let vcards = |name: &str| format!("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{name}\r\nEND:VCARD\r\n");
            let (name, next_cursor) = match asked.cursor.as_deref() {
                None => ("One", Some("two".to_owned())),
                Some("two") => ("Two", Some("three".to_owned())),
                Some(_) => ("Three", None),
            };
            Ok(contacts::ContactExport { vcards: vcards(name), next_cursor })
        })
}

/// A stub of network: returns the samples.
pub fn network() -> RequestHandlers<Postgres> {
    RequestHandlers::new().read(|_: network::GetDegrees, _| async { Ok(network_events::samples::degrees_view()) }).read(
        |asked: network::FindPaths, _| async move {
            match asked.to.as_str() {
                "nobody" => Err(Problem::not_found("path").into()),
                _ => Ok(network_events::samples::paths_view()),
            }
        },
    )
}

/// A stub of search: returns the sample.
pub fn search(asked: Heard<search::Search>) -> RequestHandlers<Postgres> {
    RequestHandlers::new().read(move |question: search::Search, _| {
        asked.lock().unwrap().push(question);
        async { Ok(search_events::samples::search_results()) }
    })
}

/// A stub of notifications: returns the samples.
pub fn notifications() -> RequestHandlers<Postgres> {
    RequestHandlers::new()
        .read(|_: notifications::ListNotifications, _| async { Ok(notifications_events::samples::notification_page()) })
        .read(|_: notifications::MarkRead, _| async { Ok(()) })
        .read(|_: notifications::GetPreferences, _| async { Ok(notifications_events::samples::preferences_view()) })
        .read(|asked: notifications::ChangePreferences, _| async move {
            Ok(notifications::PreferencesView { items: asked.items })
        })
        .read(|_: notifications::GetDigest, _| async { Ok(notifications_events::samples::digest_view()) })
        .read(|asked: notifications::ChooseDigest, _| async move {
            Ok(notifications::DigestView { wanted: asked.wanted })
        })
}

/// The status of a response and its JSON body.
pub async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}
