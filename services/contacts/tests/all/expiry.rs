//! Imports are kept for 90 days, and files that were never submitted for a day.

use chrono::TimeDelta;
use contacts_events::{GetImport, StartImport};
use skeleton::{
    Postgres,
    testing::{TestApp, TestClock, World, eventually},
};
use uuid::Uuid;

use crate::book::{book, import};

const CARDS: &[u8] =
    b"BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEMAIL:ada@example.org\nEND:VCARD\nBEGIN:VCARD\nVERSION:3.0\nEND:VCARD\n";

async fn upload(app: &TestApp<Postgres>, account: Uuid) -> Uuid {
    let start = StartImport { account_id: account, file_name: None, size: None };
    app.call(&start).await.unwrap().import_id
}

/// Adds rows, more than one batch of the clean-up.
async fn fill(app: &TestApp<Postgres>, table: &str, columns: &str, values: &str, import: Uuid) {
    let sql =
        format!("insert into {table} (import_id, {columns}) select $1, n, {values} from generate_series(100, 2599) n");
    app.parts().store.execute(&sql, &[&import]).await.unwrap();
}

async fn count(app: &TestApp<Postgres>, table: &str) -> i64 {
    app.parts().store.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0)
}

/// Waits until the tables have this many rows: imports, parts, problems.
async fn are_left(app: &TestApp<Postgres>, rows: [i64; 3]) {
    eventually("the end of the clean-up", async || {
        let mut left = [0; 3];
        for (left, table) in left.iter_mut().zip(["imports", "import_parts", "import_problems"]) {
            *left = count(app, table).await;
        }
        if left == rows { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

#[tokio::test]
async fn old_imports_and_files_never_submitted_are_deleted_and_contacts_stay() {
    let clock = TestClock::running();
    let app = World::in_time_of(&clock).await.start(contacts::service(), &[]).await;
    let account = Uuid::new_v4();
    let ended = import(&app, account, "few.vcf", CARDS).await.import_id;
    fill(&app, "import_problems", "position, line, reason", "n, 'unreadable'", ended).await;
    let abandoned = upload(&app, account).await;
    fill(&app, "import_parts", "index, data", "'x'", abandoned).await;

    app.advance(TimeDelta::hours(25)).await;
    upload(&app, Uuid::new_v4()).await;
    let replica = app.replica(contacts::service()).await;

    are_left(&app, [2, 0, 2501]).await;
    assert!(replica.stop().await);

    app.advance(TimeDelta::days(90)).await;
    let replica = app.replica(contacts::service()).await;

    are_left(&app, [0, 0, 0]).await;
    let refused = app.call(&GetImport { account_id: account, import_id: ended }).await.unwrap_err();
    assert_eq!(refused.status, 404);
    assert_eq!(book(&app, account).await.len(), 1);
    assert!(replica.stop().await);
    app.finish().await;
}
