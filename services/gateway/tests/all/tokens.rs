//! Access tokens: every invalid one gets the same response, and ended sessions are refused.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use accounts_events::{Erased, GetSigningKeys, SessionEnded, SigningKeysView};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{TimeDelta, Utc};
use events::Envelope;
use gateway_events::AccountDataErased;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use network_events::IdentityLinked;
use reqwest::Method;
use serde_json::{Value, json};
use skeleton::{
    RequestHandlers,
    store::{Store, Transaction},
    testing::eventually,
};

use uuid::Uuid;

use crate::gateway::{Gateway, KEY_ID, Member, accounts, header, sign, told};

/// Calls the account's route with this `authorization` header.
async fn try_token(gateway: &Gateway, authorization: &str) -> (u16, Value) {
    let request = gateway.ask(Method::GET, "/api/v1/me").header("authorization", authorization);
    told(request.send().await.unwrap()).await
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let now = get_current_timestamp();
    let claims = |changes: Value| {
        let mut claims = member.claims();
        let all = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() { drop(all.remove(name)) } else { drop(all.insert(name.clone(), value.clone())) }
        }
        claims
    };
    let with_claims = |changes: Value| sign(&header(), &claims(changes));
    let with_header = |change: fn(&mut Header)| {
        let mut header = header();
        change(&mut header);
        sign(&header, &member.claims())
    };
    let public_key = accounts_events::samples::signing_keys_view().keys.remove(0).x;
    let hs256 = Header { alg: Algorithm::HS256, ..header() };
    let hs256_with = |secret: &[u8]| encode(&hs256, &member.claims(), &EncodingKey::from_secret(secret)).unwrap();
    let good = member.token();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, body) = head.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "typ": "at+jwt", "kid": KEY_ID }).to_string());
    let other_body = URL_SAFE_NO_PAD.encode(Member::new().claims().to_string());
    let wrong = [
        ("no token", String::new()),
        ("not a token", "abc".to_owned()),
        ("a refresh token", "vT3l0b7iV6nq".to_owned()),
        ("alg none", format!("{none}.{body}.")),
        ("alg none with the signature", format!("{none}.{body}.{signature}")),
        ("no signature", format!("{head}.")),
        ("another body", format!("{}.{other_body}.{signature}", head.split_once('.').unwrap().0)),
        ("hs256 with the public key as text", hs256_with(public_key.as_bytes())),
        ("hs256 with the public key", hs256_with(&URL_SAFE_NO_PAD.decode(&public_key).unwrap())),
        ("another audience", with_claims(json!({ "aud": "kith-admin" }))),
        ("no audience", with_claims(json!({ "aud": null }))),
        ("another issuer", with_claims(json!({ "iss": "https://kith.example" }))),
        ("no issuer", with_claims(json!({ "iss": null }))),
        ("no subject", with_claims(json!({ "sub": null }))),
        ("a subject that is no account", with_claims(json!({ "sub": "admin" }))),
        ("no session", with_claims(json!({ "sid": null }))),
        ("expired", with_claims(json!({ "exp": now - 6 }))),
        ("no expiry", with_claims(json!({ "exp": null }))),
        ("an expiry that is no number", with_claims(json!({ "exp": "never" }))),
        ("not valid yet", with_claims(json!({ "nbf": now + 30 }))),
        ("type jwt", with_header(|header| header.typ = Some("JWT".to_owned()))),
        ("no type", with_header(|header| header.typ = None)),
        ("an unknown key", with_header(|header| header.kid = Some("2020-01-01".to_owned()))),
        ("a key that is a path", with_header(|header| header.kid = Some("../../../../dev/null".to_owned()))),
        ("a key that is a query", with_header(|header| header.kid = Some("' or 1=1 --".to_owned()))),
        ("no key", with_header(|header| header.kid = None)),
        ("something critical", with_header(|header| header.crit = Some(vec!["exp".to_owned()]))),
        ("very long", format!("{good}{}", "A".repeat(8_000))),
    ];

    let mut answers = Vec::new();
    for (what, token) in &wrong {
        answers.push((*what, try_token(&gateway, &format!("Bearer {token}")).await));
    }
    answers.push(("basic", try_token(&gateway, "Basic YWRhOmhvcnNl").await));
    answers.push(("another scheme", try_token(&gateway, &format!("Token {good}")).await));

    let refusal = told(gateway.ask(Method::GET, "/api/v1/me").send().await.unwrap()).await;
    assert_eq!((refusal.0, &refusal.1["type"]), (401, &json!("urn:kith:problem:unauthorized")));
    for (what, answer) in answers {
        assert_eq!(answer, refusal, "{what}");
    }
    for leeway in [json!({ "exp": now - 2 }), json!({ "nbf": now + 3 }), json!({ "aud": ["kith-api"] })] {
        assert_eq!(try_token(&gateway, &format!("Bearer {}", with_claims(leeway))).await.0, 200);
    }
    assert_eq!(try_token(&gateway, &format!("bearer {good}")).await.0, 200);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_key_that_the_token_brings_itself_is_not_looked_at() {
    let gateway = Gateway::start().await;
    let own_key = Jwk {
        common: Default::default(),
        ..serde_json::from_value(json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }))
        .unwrap()
    };
    let brought = Header {
        kid: Some("mine".to_owned()),
        jku: Some(format!("http://{}/openapi.json", gateway.address())),
        x5u: Some(format!("http://{}/openapi.json", gateway.address())),
        jwk: Some(own_key),
        ..header()
    };

    let answer = try_token(&gateway, &format!("Bearer {}", sign(&brought, &Member::new().claims()))).await;

    assert_eq!(answer.0, 401);
    gateway.app.finish().await;
}

#[tokio::test]
async fn unknown_keys_are_asked_for_but_not_each_time() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let keys = RequestHandlers::new().read(move |_: GetSigningKeys, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(accounts_events::samples::signing_keys_view()) }
    });
    let gateway = Gateway::start_with(&[], keys).await;
    let unknown = Header { kid: Some("another".to_owned()), ..header() };

    for _ in 0..20 {
        let token = sign(&unknown, &Member::new().claims());
        assert_eq!(try_token(&gateway, &format!("Bearer {token}")).await.0, 401);
    }

    assert_eq!(asked.load(Ordering::Relaxed), 1);
    gateway.app.finish().await;
}

#[tokio::test]
async fn while_accounts_has_no_answer_a_token_is_not_called_wrong() {
    let keys = RequestHandlers::new()
        .read(|_: GetSigningKeys, _| async { Err::<SigningKeysView, _>(skeleton::Failure::retry("not today")) });
    let gateway = Gateway::start_with(&[], keys).await;

    let response = gateway.get(&Member::new(), "/api/v1/me").await;

    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_refused_and_others_are_not() {
    let gateway = Gateway::start_with(&[], accounts()).await;
    let (member, other_device) = (Member::new(), Member::new());
    let other_device = Member { account_id: member.account_id, ..other_device };
    let ended = ended(&member);

    gateway.app.receives(&ended).await;
    gateway.app.receives(&ended).await;

    assert_eq!(gateway.get(&member, "/api/v1/me").await.status(), 401);
    assert_eq!(gateway.get(&other_device, "/api/v1/me").await.status(), 200);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_refused_while_its_token_is_valid_even_if_clocks_differ_by_minutes() {
    let gateway = Gateway::start_with(&[], accounts()).await;
    let store = &gateway.app.parts().store;
    for skew in [-5, 5].map(TimeDelta::minutes) {
        let member = Member::new();
        // The clock of accounts differs from the database's. The token is valid for another minute.
        let ended_at = Utc::now() + skew;
        let ended = SessionEnded { tokens_expire_at: ended_at + TimeDelta::minutes(1), ..ended(&member) };
        let envelope = Envelope { time: ended_at, ..gateway.app.world().envelope_for(&ended) };
        gateway.app.receives_in(&ended, &envelope).await;

        let sql = "select until > now() + interval '6 minutes', until < now() + interval '17 minutes'
            from ended where id = $1";
        let row = store.query_one(sql, &[&member.session_id]).await.unwrap();
        let refused_for_long_enough: (bool, bool) = (row.get(0), row.get(1));
        let replica = gateway.app.replica(gateway::service()).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let address = replica.http_address.unwrap();
        let asked = client.get(format!("http://{address}/api/v1/me")).bearer_auth(member.token());
        let status = asked.send().await.unwrap().status();

        assert_eq!(refused_for_long_enough, (true, true), "skew of {skew}");
        assert_eq!(status, 401, "skew of {skew}");
        assert_eq!(gateway.get(&member, "/api/v1/me").await.status(), 401, "skew of {skew}");
        assert!(replica.stop().await);
    }
    gateway.app.finish().await;
}

#[tokio::test]
async fn an_erased_account_is_refused_on_all_devices_and_nothing_of_it_is_kept() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let account_id = member.account_id;
    gateway
        .app
        .receives(&contacts_events::ImportStarted { account_id, ..contacts_events::samples::import_started() })
        .await;

    let erased = Erased { account_id, erased_at: Utc::now() };
    gateway.app.receives(&erased).await;
    gateway.app.receives(&erased).await;

    let confirmed = gateway.app.published::<AccountDataErased>().await;
    assert_eq!(confirmed.iter().map(|event| event.removed).collect::<Vec<_>>(), [2, 0], "a row and its stream");
    assert_eq!(gateway.get(&member, "/api/v1/me").await.status(), 401);
    // Events of other services, in no order with the erasure.
    let late = contacts_events::ImportStarted { account_id, ..contacts_events::samples::import_started() };
    gateway.app.receives(&contacts_events::ImportStarted { import_id: Uuid::new_v4(), ..late }).await;
    gateway.app.receives(&IdentityLinked { owner_id: account_id, ..network_events::samples::identity_linked() }).await;
    let sql = "select 1 from stream_events where account_id = $1 union all select 1 from streams where account_id = $1 and not erased";
    assert!(gateway.app.parts().store.query(sql, &[&account_id]).await.unwrap().is_empty());
    gateway.app.finish().await;
}

#[tokio::test]
async fn what_another_replica_has_seen_end_is_refused_here_within_a_moment() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    assert_eq!(gateway.get(&member, "/api/v1/me").await.status(), 200);

    let sql = "insert into ended (id, until) values ($1, now() + interval '15 minutes')";
    gateway.app.parts().store.execute(sql, &[&member.session_id]).await.unwrap();

    eventually("a refusal", async || match gateway.get(&member, "/api/v1/me").await.status().as_u16() {
        401 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    gateway.app.finish().await;
}

#[tokio::test]
async fn what_ends_in_a_transaction_that_was_open_for_long_is_refused_as_well() {
    let gateway = Gateway::start().await;
    let (member, later) = (Member::new(), Member::new());
    let mut slow = gateway.app.parts().store.begin(&gateway.app.parts().service, &[]).await.unwrap();
    // Written as by a transaction that began five minutes ago.
    let sql = "insert into ended (id, until, written_at) values ($1, now() + interval '15 minutes', now() - interval '5 minutes')";
    slow.execute(sql, &[&member.session_id]).await.unwrap();
    // The end of another session becomes visible: by then this replica has read past the first row.
    gateway
        .app
        .parts()
        .store
        .execute(sql.replace("'5 minutes'", "'0 minutes'").as_str(), &[&later.session_id])
        .await
        .unwrap();
    refused(&gateway, &later).await;
    assert_eq!(gateway.get(&member, "/api/v1/me").await.status(), 200);

    slow.commit().await.unwrap();

    refused(&gateway, &member).await;
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_second_end_with_a_later_time_is_learned_as_well() {
    let gateway = Gateway::start().await;
    let (member, later) = (Member::new(), Member::new());
    let store = &gateway.app.parts().store;
    let sql = "insert into ended (id, until) values ($1, now() + interval '1 second')";
    store.execute(sql, &[&member.session_id]).await.unwrap();
    refused(&gateway, &member).await;

    // Written as by the previous release.
    let sql = "insert into ended as e (id, until) values ($1, now() + interval '15 minutes')
        on conflict (id) do update set until = greatest(e.until, excluded.until), written_at = now()";
    store.execute(sql, &[&member.session_id]).await.unwrap();
    store.execute(sql, &[&later.session_id]).await.unwrap();
    refused(&gateway, &later).await;

    eventually("the first time to be over and read past", async || {
        let sql = "select now() > written_at + interval '2 seconds' from ended where id = $1";
        let is_over = store.query(sql, &[&member.session_id]).await.unwrap()[0].get::<_, bool>(0);
        if is_over { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    assert_eq!(gateway.get(&member, "/api/v1/me").await.status(), 401);
    gateway.app.finish().await;
}

#[tokio::test]
async fn revocations_go_on_after_their_task_has_panicked() {
    let gateway = Gateway::start().await;
    let (other, member) = (Member::new(), Member::new());
    let store = &gateway.app.parts().store;
    // A time that cannot be converted.
    store.execute("insert into ended (id, until) values ($1, 'infinity')", &[&other.session_id]).await.unwrap();
    eventually("a panic", async || match restarts(&gateway).await {
        panics if panics > 2.0 => Ok(()),
        panics => Err(panics.to_string()),
    })
    .await;
    let ready = gateway.app.running().health().ready();
    assert_eq!(ready.status, "failing", "{ready:?}");
    let check = ready.checks.iter().find(|check| check.name == "background tasks").unwrap();
    assert!(check.reason.as_ref().is_some_and(|reason| reason.contains("ended sessions")), "{check:?}");
    store.execute("delete from ended", &[]).await.unwrap();

    let sql = "insert into ended (id, until) values ($1, now() + interval '15 minutes')";
    store.execute(sql, &[&member.session_id]).await.unwrap();

    refused(&gateway, &member).await;
    gateway.app.finish().await;
}

/// How often the task that reads revocations was restarted in this process: no other test makes it panic.
async fn restarts(gateway: &Gateway) -> f64 {
    let answer = reqwest::get(format!("{}/metrics", gateway.app.admin_url())).await.unwrap();
    let text = answer.text().await.unwrap();
    let found = text.lines().find(|line| line.starts_with("parts_restarted_total") && line.contains("ended sessions"));
    found.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

async fn refused(gateway: &Gateway, member: &Member) {
    eventually("a refusal", async || match gateway.get(member, "/api/v1/me").await.status().as_u16() {
        401 => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
}

fn ended(member: &Member) -> SessionEnded {
    SessionEnded {
        account_id: member.account_id,
        session_id: member.session_id,
        tokens_expire_at: Utc::now() + TimeDelta::minutes(15),
        ..accounts_events::samples::session_ended()
    }
}
