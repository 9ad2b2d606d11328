//! Accounts are created, shown, changed and erased.

use crate::common::{PASSWORD, application, register, sign_in, signed_in, start, waits_for_a_lock};
use accounts_events::{
    ChangeAccount, EraseAccount, Erased, GetAccount, PasswordChange, ProfileChanged, RefreshSession, RegisterAccount,
    Registered, SessionEnded, SessionEndedReason,
};
use skeleton::{
    RequestOptions,
    store::{Store, Transaction},
};
use uuid::Uuid;

fn change(account_id: Uuid) -> ChangeAccount {
    ChangeAccount { account_id, name: None, discoverable: None, nameable: None, password: None, session_id: None }
}

fn new_password(current: &str, new: &str) -> Option<PasswordChange> {
    Some(PasswordChange { current: current.to_owned(), new: new.to_owned() })
}

#[tokio::test]
async fn someone_who_registers_has_an_account() {
    let app = start().await;
    let asked = RegisterAccount { email: " ADA@Example.org".to_owned(), nameable: Some(true), ..application() };

    let account = app.call(&asked).await.unwrap();

    assert_eq!((account.email.as_str(), account.discoverable, account.nameable), ("ada@example.org", false, true));
    assert_eq!(app.call(&GetAccount { account_id: account.account_id }).await.unwrap(), account);
    let registered = app.published_once::<Registered>(|event| event.account_id == account.account_id).await;
    assert_eq!((registered.email, registered.name), (account.email, account.name));
    app.finish().await;
}

#[tokio::test]
async fn registering_twice_under_one_request_id_opens_one_account() {
    let app = start().await;
    let (asked, asking) = (application(), RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() });

    let first = app.call_with(&asked, asking).await.unwrap();
    let second = app.call_with(&asked, asking).await.unwrap();

    assert_eq!(first, second);
    app.published_once::<Registered>(|_| true).await;
    app.finish().await;
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_written() {
    let app = start().await;
    let account = register(&app).await;

    let asked = RegisterAccount { email: account.email.to_uppercase(), ..application() };
    let problem = app.call(&asked).await.unwrap_err();

    assert_eq!((problem.status, problem.kind.as_str()), (409, "urn:kith:problem:email-taken"));
    app.finish().await;
}

#[tokio::test]
async fn two_who_register_one_address_at_once_get_one_account() {
    let app = start().await;
    let asked = application();

    let (first, second) = tokio::join!(app.call(&asked), app.call(&asked));

    assert!(first.is_ok() != second.is_ok());
    app.published_once::<Registered>(|_| true).await;
    app.finish().await;
}

#[tokio::test]
async fn a_refused_registration_names_the_field() {
    let app = start().await;
    let refused = [
        ("email", RegisterAccount { email: "ada".to_owned(), ..application() }),
        ("name", RegisterAccount { name: " ".to_owned(), ..application() }),
        ("password", RegisterAccount { password: "too short".to_owned(), ..application() }),
    ];

    for (field, asked) in refused {
        let problem = app.call(&asked).await.unwrap_err();

        assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field));
    }
    app.finish().await;
}

#[tokio::test]
async fn an_account_that_is_not_there_is_not_found() {
    let app = start().await;
    let account_id = Uuid::new_v4();

    assert_eq!(app.call(&GetAccount { account_id }).await.unwrap_err().status, 404);
    assert_eq!(app.call(&change(account_id)).await.unwrap_err().status, 404);
    assert_eq!(app.call(&EraseAccount { account_id }).await.unwrap_err().status, 404);
    app.finish().await;
}

#[tokio::test]
async fn a_changed_profile_is_published_once() {
    let app = start().await;
    let account = register(&app).await;
    let asked =
        ChangeAccount { name: Some("Ada King".to_owned()), discoverable: Some(true), ..change(account.account_id) };
    let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };

    let changed = app.call_with(&asked, asking).await.unwrap();
    assert_eq!(app.call_with(&asked, asking).await.unwrap(), changed);

    assert_eq!((changed.name.as_str(), changed.discoverable, changed.nameable), ("Ada King", true, false));
    app.published_once::<ProfileChanged>(|event| event.name == "Ada King" && event.discoverable).await;
    app.finish().await;
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_not_published() {
    let app = start().await;
    let account = register(&app).await;

    app.call(&ChangeAccount { name: Some(account.name.clone()), ..change(account.account_id) }).await.unwrap();

    assert!(app.published::<ProfileChanged>().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let app = start().await;
    let (account, own) = signed_in(&app).await;
    let other = app.call(&sign_in(&account)).await.unwrap();
    let password = new_password(PASSWORD, "another horse battery");
    let asked = ChangeAccount { password, session_id: Some(own.session_id), ..change(account.account_id) };
    let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };

    let first = app.call_with(&asked, asking).await.unwrap();
    assert_eq!(app.call_with(&asked, asking).await.unwrap(), first);

    let ended = app.published_once::<SessionEnded>(|_| true).await;
    assert_eq!((ended.session_id, ended.reason), (other.session_id, SessionEndedReason::PasswordChanged));
    assert_eq!(app.call(&sign_in(&account)).await.unwrap_err().status, 401);
    app.call(&RefreshSession { refresh_token: own.refresh_token }).await.unwrap();
    assert_eq!(app.call(&RefreshSession { refresh_token: other.refresh_token }).await.unwrap_err().status, 401);
    app.finish().await;
}

#[tokio::test]
async fn a_change_that_waits_for_a_session_does_not_hold_the_sequence_that_the_sessions_transaction_will_need() {
    let app = start().await;
    let (account, _) = signed_in(&app).await;
    let (store, service) = (&app.parts().store, &app.parts().service);
    let mut ending = store.begin(service, &[]).await.unwrap();
    ending.query("select from sessions for update", &[]).await.unwrap();
    let (name, password) = (Some("Ada King".to_owned()), new_password(PASSWORD, "another horse battery"));
    let asked = ChangeAccount { name, password, ..change(account.account_id) };

    let finding = async {
        waits_for_a_lock(store, "%delete from sessions%").await;
        let sequence = "select from skeleton.sequences where subject = $1 for update nowait";
        ending.query(sequence, &[&account.account_id.to_string()]).await.unwrap();
        ending.commit().await.unwrap();
    };
    let (changed, ()) = tokio::join!(app.call(&asked), finding);

    assert_eq!(changed.unwrap().name, "Ada King");
    app.finish().await;
}

#[tokio::test]
async fn a_new_password_needs_the_current_one_and_must_be_long_enough() {
    let app = start().await;
    let account = register(&app).await;
    let refused = [
        ("password.current", new_password("a wrong password", "another horse battery")),
        ("password.new", new_password(PASSWORD, "too short")),
    ];

    for (field, password) in refused {
        let problem = app.call(&ChangeAccount { password, ..change(account.account_id) }).await.unwrap_err();

        assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field));
    }
    app.call(&sign_in(&account)).await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn an_erased_account_leaves_nothing_and_everyone_is_told() {
    let app = start().await;
    let (account, session) = signed_in(&app).await;
    let (asked, asking) = (
        EraseAccount { account_id: account.account_id },
        RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() },
    );

    app.call_with(&asked, asking).await.unwrap();
    app.call_with(&asked, asking).await.unwrap();

    let ended = app.published_once::<SessionEnded>(|event| event.session_id == session.session_id).await;
    assert_eq!(ended.reason, SessionEndedReason::Erased);
    app.published_once::<Erased>(|event| event.account_id == account.account_id).await;
    for table in ["accounts", "sessions", "refresh_tokens", "known_devices", "failed_sign_ins"] {
        let rows = app.parts().store.query(&format!("select 1 from {table}"), &[]).await.unwrap();
        assert!(rows.is_empty(), "{table}");
    }
    let again = app.call(&RegisterAccount { email: account.email, ..application() }).await.unwrap();
    assert_ne!(again.account_id, account.account_id);
    app.finish().await;
}
