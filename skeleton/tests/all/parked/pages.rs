//! The pages on the admin port.

use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::Value;
use skeleton::{
    Postgres,
    store::{Act, Decisions, Filter, SetAside, State, Store},
    testing::{TestApp, eventually, somebody, test_data},
};
use uuid::Uuid;

use super::bench::{broken_data, data, parked};
use crate::probe;

/// A running service and a browser.
struct Desk {
    app: TestApp<Postgres>,
    browser: Client,
}

struct Page {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Desk {
    async fn new() -> Self {
        let browser = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { app: TestApp::start(probe::service(), &[]).await, browser }
    }

    fn store(&self) -> &Postgres {
        &self.app.parts().store
    }

    /// Parks a message that is not redriven automatically.
    async fn park(&self, message: SetAside) -> SetAside {
        self.store().set_aside(&message).await.unwrap();
        message
    }

    /// Parks a message that the service can handle once its account has an id.
    async fn park_account(&self) -> SetAside {
        let registered = accounts_events::samples::registered();
        let envelope = self.app.world().envelope_for(&registered);
        let mut data = serde_json::json!(registered);
        data["account_id"] = "none".into();
        self.park(SetAside {
            message: envelope.id,
            name: envelope.name.clone(),
            subject: envelope.subject.clone(),
            headers: envelope.to_headers(),
            body: data.to_string().into_bytes(),
            ..parked()
        })
        .await
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Page {
        self.sent(self.browser.get(format!("{}{path}", self.app.admin_url())).query(query)).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        let origin = self.app.admin_url();
        self.sent(self.browser.post(format!("{origin}{path}")).header("origin", origin).form(form)).await
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        Page { status: answer.status(), headers: answer.headers().clone(), text: answer.text().await.unwrap() }
    }

    async fn found(&self, id: Uuid) -> Option<SetAside> {
        self.store().list_set_aside(&Filter::of(id), 1).await.unwrap().pop()
    }

    async fn acts(&self, id: Uuid) -> Vec<(Act, String, Option<String>)> {
        let trail = self.store().trail(Some(id), 10).await.unwrap();
        trail.into_iter().map(|decision| (decision.act, decision.decided_by, decision.note)).collect()
    }

    async fn done(self) {
        self.app.parked().await;
        self.app.finish().await;
    }
}

impl Page {
    fn leads_to(&self, path: &str) {
        assert_eq!(self.status, 303, "{}", self.text);
        assert_eq!(self.headers["location"], path);
    }

    /// The value of a hidden or visible field.
    fn value_of(&self, name: &str) -> String {
        let (_, rest) = self.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// The data in the form, as a browser would show it.
    fn data_in_the_form(&self) -> String {
        let (_, rest) = self.text.split_once("<textarea").unwrap();
        let (_, rest) = rest.split_once(">\n").unwrap();
        rest.split_once("</textarea>")
            .unwrap()
            .0
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    }
}

#[tokio::test]
async fn a_list_is_filtered_and_counted_and_leads_to_each_message() {
    let desk = Desk::new().await;
    let odd =
        desk.park(SetAside { name: "accounts.erased.v1".to_owned(), reason: "so & so".to_owned(), ..parked() }).await;
    let first = desk.park(parked()).await;
    desk.park(parked()).await;

    let all = desk.get("/parked", &[]).await;
    assert_eq!(all.status, 200);
    assert!(all.text.contains(&format!("href=\"/parked/{}\"", odd.message)));
    assert!(all.text.contains("<td class=\"number\">2</td><td>contacts.contact-added.v2</td>"), "{}", all.text);
    assert!(all.text.contains("reason=so+%26+so"), "{}", all.text);
    let one = desk.get("/parked", &[("reason", "so & so"), ("attempts", "5"), ("state", "all")]).await;
    assert!(one.text.contains(&odd.message.to_string()) && !one.text.contains(&first.message.to_string()));
    assert_eq!(one.value_of("reason"), "so &amp; so");
    let none = desk.get("/parked", &[("since", "2100-01-01")]).await;
    assert!(none.text.contains("No messages match the filter."));
    for wrong in [("since", "yesterday"), ("attempts", "many"), ("id", "1"), ("state", "lost")] {
        let refused = desk.get("/parked", &[wrong]).await;
        assert_eq!((refused.status.as_u16(), refused.text.contains("role=\"alert\"")), (422, true), "{wrong:?}");
    }
    desk.done().await;
}

#[tokio::test]
async fn a_page_shows_a_message_masked_and_can_be_used_by_anybody() {
    let desk = Desk::new().await;
    let message = desk.park(parked()).await;

    let page = desk.get(&format!("/parked/{}", message.message), &[]).await;

    assert_eq!(page.status, 200);
    assert!(!page.text.contains("zoe@example.org") && page.text.contains("•••"), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("script"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert!(
        !page.text.contains("<script") && !page.text.contains("style=\"") && page.text.contains("<html lang=\"en\">")
    );
    assert!(page.text.contains("name=\"viewport\""));
    labels_lead_to_their_fields(&page.text);
    let missing = desk.get(&format!("/parked/{}", Uuid::new_v4()), &[]).await;
    assert_eq!((missing.status.as_u16(), missing.text.contains("is not set aside")), (404, true));
    desk.done().await;
}

fn labels_lead_to_their_fields(page: &str) {
    let labels: Vec<&str> =
        page.split("<label for=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
    assert!(labels.len() >= 7, "{labels:?}");
    for label in labels {
        assert_eq!(page.matches(&format!(" id=\"{label}\"")).count(), 1, "{label}");
    }
}

#[tokio::test]
async fn data_is_edited_on_the_page_and_the_message_handled() {
    let desk = Desk::new().await;
    let message = desk.park_account().await;
    let path = format!("/parked/{}", message.message);
    let page = desk.get(&path, &[]).await;
    let (seen, shown) = (page.value_of("seen"), page.data_in_the_form());
    assert!(shown.contains("•••"), "{shown}");
    let form = |data: &str| {
        [
            ("seen", seen.clone()),
            ("data", data.replace('\n', "\r\n")),
            ("by", "Zoë".to_owned()),
            ("note", "mended".to_owned()),
            ("redrive", "yes".to_owned()),
        ]
    };
    let edit = async |data: &str| {
        let form = form(data);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        desk.post(&format!("{path}/edit"), &form).await
    };

    let refused = edit(&shown.replace("none", "<none> & nothing")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("/account_id breaks the rule &quot;format&quot;"), "{}", refused.text);
    assert!(
        refused.text.contains("&lt;none&gt; &amp; nothing") && refused.data_in_the_form().contains("<none> & nothing")
    );
    assert!(desk.acts(message.message).await.is_empty());

    edit(&shown.replace("none", &Uuid::new_v4().to_string())).await.leads_to(&path);
    eventually("the message is handled", async || match desk.found(message.message).await {
        None => Ok(()),
        Some(found) => Err(format!("{:?}: {}", found.state, found.reason)),
    })
    .await;
    let signed = |act| (act, "Zoë".to_owned(), Some("mended".to_owned()));
    assert_eq!(desk.acts(message.message).await, [signed(Act::Redriven), signed(Act::Edited)]);
    let after = desk.get(&path, &[]).await;
    assert_eq!((after.status.as_u16(), after.text.contains("mended")), (404, true));
    assert!(
        desk.get("/parked/audit", &[("id", &message.message.to_string())])
            .await
            .text
            .contains("<td>Zoë</td><td>edited")
    );
    desk.done().await;
}

#[tokio::test]
async fn data_that_somebody_else_has_edited_meanwhile_is_not_written_over() {
    let desk = Desk::new().await;
    let message = desk.park(parked()).await;
    let path = format!("/parked/{}", message.message);
    let page = desk.get(&path, &[]).await;
    let good = data().to_string();
    let form = [("seen", page.value_of("seen")), ("data", good.clone())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();

    desk.post(&format!("{path}/edit"), &form).await.leads_to(&path);
    let late = desk.post(&format!("{path}/edit"), &form).await;

    assert_eq!((late.status.as_u16(), late.text.contains("has changed since it was read")), (409, true));
    assert_eq!(desk.acts(message.message).await, [(Act::Edited, "admin port".to_owned(), None)]);
    let kept: Value = serde_json::from_slice(&desk.found(message.message).await.unwrap().body).unwrap();
    assert_eq!(kept, data());
    desk.done().await;
}

#[tokio::test]
async fn a_message_is_redriven_or_dropped_once_and_only_when_it_is_meant() {
    let desk = Desk::new().await;
    let (redriven, dropped) = (desk.park_account().await.message, desk.park(parked()).await.message);

    let unsure = desk.post(&format!("/parked/{dropped}/drop"), &[("by", "Zoë")]).await;
    assert_eq!((unsure.status.as_u16(), desk.found(dropped).await.is_some()), (422, true));
    let nameless = desk.post(&format!("/parked/{dropped}/drop"), &[("by", "Z\no"), ("sure", "yes")]).await;
    assert_eq!(nameless.status, 422);
    desk.post(&format!("/parked/{dropped}/drop"), &[("by", "Zoë"), ("sure", "yes")])
        .await
        .leads_to(&format!("/parked/{dropped}"));
    desk.post(&format!("/parked/{redriven}/redrive"), &[("note", "again")])
        .await
        .leads_to(&format!("/parked/{redriven}"));

    assert_eq!(desk.acts(dropped).await, [(Act::Dropped, "Zoë".to_owned(), None)]);
    assert_eq!(desk.acts(redriven).await, [(Act::Redriven, "admin port".to_owned(), Some("again".to_owned()))]);
    let twice = desk.post(&format!("/parked/{dropped}/drop"), &[("sure", "yes")]).await;
    assert_eq!((twice.status.as_u16(), desk.acts(dropped).await.len()), (404, 1));
    eventually("it was retried and parked again", async || match desk.found(redriven).await {
        Some(found) if found.state == State::Parked && found.attempts == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    desk.done().await;
}

#[tokio::test]
async fn all_that_a_filter_lets_through_are_decided_about_if_they_are_those_that_were_seen() {
    let desk = Desk::new().await;
    let one_more = || SetAside { reason: "odd".to_owned(), ..parked() };
    let (first, second, other) =
        (desk.park(one_more()).await.message, desk.park(one_more()).await.message, desk.park(parked()).await.message);
    let page = desk.get("/parked", &[("reason", "odd")]).await;
    let seen = page.value_of("seen");
    assert!(page.text.contains("Drop all 2"));
    labels_lead_to_their_fields(&page.text);

    let form = [("reason", "odd"), ("state", ""), ("seen", &seen), ("by", "Zoë"), ("sure", "yes")];
    // A colleague drops the first one, and another one arrives: as many as before, but not the same.
    desk.store().drop_parked(&[first], &somebody()).await.unwrap();
    let third = desk.park(one_more()).await.message;
    let others_now = desk.post("/parked/drop", &form).await;
    assert_eq!((others_now.status.as_u16(), desk.found(third).await.is_some()), (409, true));
    let page = desk.get("/parked", &[("reason", "odd")]).await;
    let (first, seen) = (third, page.value_of("seen"));
    let form = [("reason", "odd"), ("state", ""), ("seen", &seen), ("by", "Zoë"), ("sure", "yes")];
    let unsure = desk.post("/parked/drop", &form[..4]).await;
    assert_eq!((unsure.status.as_u16(), desk.found(first).await.is_some()), (422, true));
    let of_waiting = desk.post("/parked/drop", &[("state", "waiting"), ("seen", &seen), ("sure", "yes")]).await;
    assert_eq!((of_waiting.status.as_u16(), desk.found(other).await.is_some()), (422, true));

    desk.post("/parked/drop", &form).await.leads_to("/parked/audit");

    for id in [first, second] {
        assert_eq!(desk.acts(id).await, [(Act::Dropped, "Zoë".to_owned(), None)]);
        assert!(desk.found(id).await.is_none());
    }
    assert!(desk.found(other).await.is_some() && desk.acts(other).await.is_empty());
    let again = [desk.park_account().await.message, desk.park_account().await.message];
    let seen = desk.get("/parked", &[("name", "accounts.registered.v1")]).await.value_of("seen");
    let form = [("name", "accounts.registered.v1"), ("seen", &seen), ("note", "again")];
    desk.post("/parked/redrive", &form).await.leads_to("/parked/audit");
    for id in again {
        assert_eq!(desk.acts(id).await, [(Act::Redriven, "admin port".to_owned(), Some("again".to_owned()))]);
    }
    eventually("both are parked again", async || match desk.app.counts().await.parked {
        3 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    desk.done().await;
}

#[tokio::test]
async fn nothing_is_taken_from_other_sites_and_nothing_answered_under_their_names() {
    let desk = Desk::new().await;
    let message = desk.park(parked()).await;
    let redrive = format!("{}/parked/{}/redrive", desk.app.admin_url(), message.message);
    let post = || desk.browser.post(&redrive).form(&[("by", "Eve")]);

    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(desk.sent(post().header(name, value)).await.status, 403, "{name}: {value}");
    }
    let rebound = desk.sent(post().header("host", "evil.example").header("origin", "http://evil.example")).await;
    let read = desk.sent(desk.browser.get(desk.app.admin_url() + "/parked").header("host", "evil.example")).await;
    let as_text = desk.sent(desk.browser.post(&redrive).header("content-type", "text/plain").body("by=Eve")).await;
    let with_get = desk.get(&format!("/parked/{}/redrive", message.message), &[]).await;

    assert_eq!((rebound.status.as_u16(), read.status.as_u16()), (421, 421));
    assert_eq!((as_text.status.as_u16(), with_get.status.as_u16()), (415, 405));
    assert_eq!(desk.found(message.message).await, Some(message.clone()));
    assert!(desk.acts(message.message).await.is_empty());
    assert_eq!(
        desk.sent(desk.browser.get(desk.app.admin_url() + "/health/live").header("host", "evil.example")).await.status,
        200
    );
    desk.done().await;
}

/// The tags of a page with the names of their attributes, without text or values.
fn skeleton_of(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (mut tag, mut is_value) = (String::new(), false);
        let mut letters = after.char_indices();
        let end = letters.by_ref().find_map(|(place, letter)| {
            match letter {
                '"' => is_value = !is_value,
                '>' if !is_value => return Some(place),
                _ if !is_value => tag.push(letter),
                _ => {}
            }
            None
        });
        tags.push(tag);
        rest = &after[end.unwrap_or(after.len())..];
    }
    tags
}

#[tokio::test]
async fn whatever_is_in_a_message_or_a_note_is_shown_as_text() {
    let Some(path) = test_data("fuzz/blns.json") else { return };
    let naughty: Vec<String> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let desk = Desk::new().await;
    let with = |text: &str| SetAside {
        name: text.to_owned(),
        subject: Some(text.to_owned()),
        reason: text.to_owned(),
        queue: text.to_owned(),
        headers: [(text.to_owned(), text.to_owned())].into(),
        body: serde_json::json!({ "any": text }).to_string().into_bytes(),
        ..parked()
    };
    let plain = desk.park(with("plain")).await;
    let pages = async |id: Uuid, text: &str| {
        let one = desk.get(&format!("/parked/{id}"), &[]).await;
        let list = desk.get("/parked", &[("id", &id.to_string()), ("reason", text)]).await;
        assert_eq!((one.status.as_u16(), list.status.as_u16()), (200, 200), "{text:?}");
        [skeleton_of(&one.text), skeleton_of(&list.text)]
    };
    let expected = pages(plain.message, "plain").await;
    let mut shown = 0;

    // An empty text does not count, and neither the store nor a URL can hold the character 0.
    for text in naughty.iter().filter(|text| !text.trim().is_empty() && !text.contains('\0')) {
        let message = desk.park(with(text)).await;
        let found = pages(message.message, text).await;
        assert_eq!(found, expected, "{text:?}");
        desk.store().drop_parked(&[message.message], &somebody()).await.unwrap();
        shown += 1;
    }

    assert!(shown > 200, "{shown}");
    assert!(skeleton_of("<p><script>alert(1)</script>").len() > skeleton_of("<p>").len());
    assert_ne!(skeleton_of("<a b=\"x\" onclick=\"y\">"), skeleton_of("<a b=\"x\">"));
    desk.done().await;
}

#[tokio::test]
async fn broken_data_of_any_kind_has_a_page() {
    let desk = Desk::new().await;
    for body in [Vec::new(), vec![0, 0xff, b'{'], b"[".repeat(200), broken_data().to_string().repeat(2).into_bytes()] {
        let message = desk.park(SetAside { body, name: "(unreadable)".to_owned(), ..parked() }).await;

        let page = desk.get(&format!("/parked/{}", message.message), &[]).await;

        assert_eq!((page.status.as_u16(), page.text.contains("not JSON")), (200, true));
    }
    desk.done().await;
}
