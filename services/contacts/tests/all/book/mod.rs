//! Shared by this service's tests: imports and address books.

use base64::{Engine, engine::general_purpose::STANDARD};
use contacts_events::{
    AddImportPart, ContactView, GetImport, ImportView, ImportViewStatus, ListContacts, StartImport, SubmitImport,
};
use skeleton::{
    Postgres,
    testing::{TestApp, eventually},
};
use uuid::Uuid;

pub async fn app() -> TestApp<Postgres> {
    TestApp::start(contacts::service(), &[("imports", "stretch", "20")]).await
}

/// Uploads a file. Returns the import's id.
pub async fn send(app: &TestApp<Postgres>, account: Uuid, name: &str, file: &[u8]) -> Uuid {
    let started =
        app.call(&StartImport { account_id: account, file_name: Some(name.to_owned()), size: None }).await.unwrap();
    let mut parts = 0;
    for part in file.chunks(100 * 1024) {
        let part = AddImportPart {
            account_id: account,
            import_id: started.import_id,
            index: parts,
            data: STANDARD.encode(part),
        };
        app.call(&part).await.unwrap();
        parts += 1;
    }
    app.call(&SubmitImport { account_id: account, import_id: started.import_id, parts }).await.unwrap();
    started.import_id
}

/// Uploads a file and waits until its import has ended.
pub async fn import(app: &TestApp<Postgres>, account: Uuid, name: &str, file: &[u8]) -> ImportView {
    let import_id = send(app, account, name, file).await;
    eventually("the import's end", async || {
        let view = app.call(&GetImport { account_id: account, import_id }).await.unwrap();
        match view.status {
            ImportViewStatus::Finished | ImportViewStatus::Failed => Ok(view),
            _ => Err(format!("{view:?}")),
        }
    })
    .await
}

/// The whole address book, ordered by name.
pub async fn book(app: &TestApp<Postgres>, account: Uuid) -> Vec<ContactView> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = app.call(&ListContacts { account_id: account, cursor, limit: Some(7) }).await.unwrap();
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}
