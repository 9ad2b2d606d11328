//! Passwords and tokens appear nowhere: not in the database, not in logs, not in error texts.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use crate::common::{PASSWORD, sign_in, signed_in, start};
use accounts_events::{OpenSession, RefreshSession};
use skeleton::Settings;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn passwords_and_tokens_are_neither_kept_nor_logged() {
    let log = Log::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    let app = start().await;
    // The relay empties the outbox, so a trigger copies every message that passes through it.
    for sql in [
        "create table kept (body text)",
        "create function keep() returns trigger language plpgsql as 'begin insert into kept values (new.body); return new; end'",
        "create trigger keep before insert on skeleton.outbox for each row execute function keep()",
    ] {
        app.parts().store.execute(sql, &[]).await.unwrap();
    }

    let (account, first) = signed_in(&app).await;
    let second = app.call(&RefreshSession { refresh_token: first.refresh_token.clone() }).await.unwrap();
    let wrong = "a wrong password that stays secret";
    app.call(&OpenSession { password: wrong.to_owned(), ..sign_in(&account) }).await.unwrap_err();
    let unknown = OpenSession { email: "nobody@example.org".to_owned(), ..sign_in(&account) };
    app.call(&unknown).await.unwrap_err();
    app.call(&RefreshSession { refresh_token: second.refresh_token.clone() }).await.unwrap();
    app.call(&RefreshSession { refresh_token: first.refresh_token.clone() }).await.unwrap_err();
    for _ in 0..20 {
        app.call(&unknown).await.unwrap_err();
    }

    let secrets =
        [PASSWORD, wrong, &first.refresh_token, &first.access_token, &second.refresh_token, &second.access_token];
    let tables =
        ["accounts", "sessions", "refresh_tokens", "failed_sign_ins", "known_devices", "skeleton.inbox", "kept"];
    for table in tables {
        let sql = format!("select coalesce(string_agg(row::text, ' '), '') from {table} row");
        let rows = app.parts().store.query(&sql, &[]).await.unwrap();
        let text: String = rows[0].get(0);
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{table} keeps a secret");
    }
    let replies =
        app.parts().store.query("select reply from skeleton.inbox where reply is not null", &[]).await.unwrap();
    assert_eq!(replies.len(), 1, "only the reply to register-account is kept");
    let reply = String::from_utf8(replies[0].get(0)).unwrap();
    assert!(secrets.iter().all(|secret| !reply.contains(secret)));
    let kept = app.parts().store.query("select 1 from kept", &[]).await.unwrap();
    assert_eq!(kept.len(), 3, "registered, signed-in and session-ended went through the outbox");
    app.finish().await;
    let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(secrets.iter().all(|secret| !written.contains(secret)), "the log holds a secret");
    assert!(!written.contains(&account.email), "the log holds an address");
    let account_id = format!("account.id={}", account.account_id);
    for reason in ["wrong-password", "reused"] {
        let lines = refusals(&written, reason);
        assert!(lines.iter().any(|line| line.contains(&account_id)), "{reason}: {lines:?}");
    }
    for reason in ["unknown-address", "too-many-attempts"] {
        assert!(!refusals(&written, reason).is_empty(), "no line for {reason}");
    }
}

/// The log lines about refusals for this reason.
fn refusals(written: &str, reason: &str) -> Vec<String> {
    let wanted = format!("reason=\"{reason}\"");
    written
        .lines()
        .filter(|line| line.contains("refused") || line.contains("used twice"))
        .map(str::to_owned)
        .filter(|line| line.contains(&wanted))
        .collect()
}

#[test]
fn a_wrong_key_stops_the_start_and_is_not_shown() {
    let mut settings =
        Settings::read_with("accounts", include_str!("../../config/default.toml"), Default::default()).unwrap();
    settings.set("tokens", "signing_key", "c2VjcmV0");
    settings.set("passwords", "memory_kib", 1);

    let starting = accounts::service().start(settings, skeleton::Environment::system());
    let Err(error) = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(starting)
    else {
        panic!("it started");
    };

    let text = error.to_string();
    assert!(text.contains("[tokens] signing_key is not an Ed25519 private key"), "{text}");
    assert!(text.contains("[passwords]"), "{text}");
    assert!(!text.contains("c2VjcmV0"), "{text}");
}
