//! Services with a read model get every account in its present state, with its sequence and a checksum. Other services
//! are refused.

use crate::common::{register, sign_in, start};
use accounts_events::{AccountView, ChangeAccount, ListAccountSnapshots, ProfileChanged, SumAccounts};
use skeleton::{RequestOptions, rebuild::Sum};

#[tokio::test]
async fn every_account_is_told_with_the_number_of_its_newest_change_and_the_sum_fits() {
    let app = start().await;
    let keeper = app.world().requests_of("network", &["accounts"]).await;
    let (first, second) = (register(&app).await, register(&app).await);
    // What a reader of accounts keeps has the sequences of registrations and changes: sign-ins are none.
    app.call(&sign_in(&first)).await.unwrap();
    app.call(&sign_in(&second)).await.unwrap();
    app.call(&renamed(&second)).await.unwrap();
    let (changed, _) = app.published_once_in::<ProfileChanged>(|_| true).await;
    app.call(&sign_in(&second)).await.unwrap();
    let asked = ListAccountSnapshots { within: String::new(), after: None, limit: None };

    let told = keeper.call(&asked, RequestOptions::default()).await.unwrap();
    let sum = keeper.call(&SumAccounts { within: String::new() }, RequestOptions::default()).await.unwrap();

    let mut expected = [(first.account_id, 1, first.email), (second.account_id, 3, second.email)];
    expected.sort();
    let states: Vec<_> = told.accounts.into_iter().map(|told| (told.account_id, told.sequence, told.email)).collect();
    assert_eq!((states.as_slice(), changed.sequence), (expected.as_slice(), Some(3)));
    assert_eq!(told.next, None);
    let here = Sum::of(states.iter().map(|(id, sequence, _)| (*id, *sequence)));
    assert_eq!((sum.count, sum.checksum), (here.count, here.checksum));
    app.finish().await;
}

fn renamed(account: &AccountView) -> ChangeAccount {
    let (account_id, name) = (account.account_id, Some("Ada King".to_owned()));
    ChangeAccount { account_id, name, discoverable: None, nameable: None, password: None, session_id: None }
}

#[tokio::test]
async fn who_keeps_no_copy_is_told_nothing() {
    let app = start().await;

    let refused = app.call(&SumAccounts { within: String::new() }).await.unwrap_err();

    assert_eq!((refused.status, refused.kind.as_str()), (403, "urn:kith:problem:not-for-you"));
    app.finish().await;
}
