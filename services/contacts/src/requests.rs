//! The requests that the gateway sends to contacts.

pub mod snapshots;

use base64::{Engine, engine::general_purpose::STANDARD};
use contacts_events::{
    AddContact, AddImportPart, CancelImport, ChangeContact, ContactExport, ContactPage, ContactView, ExportContacts,
    GetContact, GetImport, GetImportV2, ImportFile, ImportView, ImportViewV2, ListContacts, RemoveContact, StartImport,
    SubmitImport,
};
use skeleton::{
    Failure, HandlerResult, JobSteps, Postgres, Problem, Publish, ReadContext, RequestHandlers, paging::PageRequest,
    store::postgres::Tx,
};
use uuid::Uuid;

use crate::{
    domain::{Change, Contact, ContactRefusal, Import, ImportRefusal, MAX_PART_BYTES, MAX_PARTS, Status, files},
    events,
    jobs::ImportSettings,
    store,
    views::{contact_view, import_view, import_view_v1},
};

/// The page size if the caller does not name one.
const USUAL_PAGE: u32 = 50;
/// The number of contacts in one part of an export.
const EXPORT_STRETCH: u32 = 200;

/// The requests that contacts handles.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new()
        .write(start_import)
        .write(add_import_part)
        .write(submit_import)
        .read(get_import_v1)
        .read(get_import)
        .write(cancel_import)
        .read(list_contacts)
        .read(get_contact)
        .write(add_contact)
        .write(change_contact)
        .write(remove_contact)
        .read(export_contacts)
}

/// Handles `start-import`: creates an import for a file.
async fn start_import(asked: StartImport, tx: &mut Tx) -> HandlerResult<ImportView> {
    let now = tx.now();
    if store::is_erased(tx, asked.account_id).await? {
        return Err(Problem::not_found("account").into());
    }
    if asked.size.is_some_and(|size| size as usize > files::MAX_FILE_BYTES) {
        return Err(ImportRefusal::TooLarge.into());
    }
    let allowed = tx.resource::<ImportSettings>().unfinished_per_account;
    if store::unfinished_imports(tx, asked.account_id, now).await? >= allowed {
        return Err(ImportRefusal::TooMany.into());
    }
    let import = Import {
        id: tx.new_id(),
        account_id: asked.account_id,
        file_name: asked.file_name.map(|name| name.chars().take(200).collect()),
        format: None,
        status: Status::Uploading,
        total: 0,
        added: 0,
        changed: 0,
        unchanged: 0,
        failed: 0,
        error: None,
        created_at: now,
    };
    store::insert_import(tx, &import).await?;
    Ok(import_view_v1(import, Vec::new()))
}

/// Handles `add-import-part`: stores the next part of a file.
async fn add_import_part(asked: AddImportPart, tx: &mut Tx) -> HandlerResult<()> {
    let data = STANDARD.decode(&asked.data).map_err(|_| ImportRefusal::MalformedPart)?;
    if data.len() > MAX_PART_BYTES {
        return Err(ImportRefusal::MalformedPart.into());
    }
    if asked.index as usize >= MAX_PARTS {
        return Err(ImportRefusal::TooLarge.into());
    }
    let import = import_of(tx, asked.import_id, asked.account_id).await?;
    if import.status != Status::Uploading {
        return Err(ImportRefusal::Submitted.into());
    }
    store::insert_part(tx, import.id, asked.index, &data).await?;
    Ok(())
}

/// Handles `submit-import`: the file is complete and can be read.
async fn submit_import(asked: SubmitImport, tx: &mut Tx) -> HandlerResult<ImportView> {
    let import = import_of(tx, asked.import_id, asked.account_id).await?;
    if import.status != Status::Uploading {
        return Err(ImportRefusal::Submitted.into());
    }
    if store::count_parts(tx, import.id).await? != i64::from(asked.parts) {
        return Err(ImportRefusal::Incomplete.into());
    }
    let import = Import { status: Status::Queued, ..import };
    store::update_import(tx, &import).await?;
    tx.enqueue_once(&import.id.to_string(), ImportFile { import_id: import.id, position: 0 }).await?;
    Ok(import_view_v1(import, Vec::new()))
}

/// Handles version 1 of `get-import`, from before imports could be cancelled: a cancelled import appears as finished.
async fn get_import_v1(asked: GetImport, store: ReadContext<Postgres>) -> HandlerResult<ImportView> {
    let (import, problems) = found_import(&store, asked.import_id, asked.account_id).await?;
    Ok(import_view_v1(import, problems))
}

/// Handles `get-import`: the state of an import.
async fn get_import(asked: GetImportV2, store: ReadContext<Postgres>) -> HandlerResult<ImportViewV2> {
    let (import, problems) = found_import(&store, asked.import_id, asked.account_id).await?;
    Ok(import_view(import, problems))
}

/// Handles `cancel-import`: cancels an import. Waits for the batch that is being imported.
async fn cancel_import(asked: CancelImport, tx: &mut Tx) -> HandlerResult<ImportViewV2> {
    let import = import_of(tx, asked.import_id, asked.account_id).await?;
    let Some(cancelled) = import.cancel()? else { return Ok(import_view(import, Vec::new())) };
    store::update_import(tx, &cancelled).await?;
    // The job ends and deletes the rest of the file.
    tx.cancel_keyed::<ImportFile>(&cancelled.id.to_string()).await?;
    let now = tx.now();
    tx.publish(events::cancelled(&cancelled, now))?;
    Ok(import_view(cancelled, Vec::new()))
}

/// Handles `list-contacts`: a page of an address book, by name.
async fn list_contacts(asked: ListContacts, store: ReadContext<Postgres>) -> HandlerResult<ContactPage> {
    let request = PageRequest::parse(asked.cursor.as_deref(), asked.limit, USUAL_PAGE)?;
    let (contacts, next_cursor) = page(&store, asked.account_id, request).await?;
    Ok(ContactPage { items: contacts.into_iter().map(contact_view).collect(), next_cursor })
}

/// Handles `export-contacts`: a part of an address book as vCards.
async fn export_contacts(asked: ExportContacts, store: ReadContext<Postgres>) -> HandlerResult<ContactExport> {
    let request = PageRequest::parse(asked.cursor.as_deref(), None, EXPORT_STRETCH)?;
    let (contacts, next_cursor) = page(&store, asked.account_id, request).await?;
    let vcard = |contact: &Contact| {
        let revised = contact.changed_at.format("%Y%m%dT%H%M%SZ").to_string();
        // A card that was imported with an id keeps it, so that importing the export finds the same contact.
        let uid = contact.card.uid.clone().unwrap_or_else(|| format!("urn:uuid:{}", contact.id));
        files::to_vcard(&contact.card, &uid, &revised)
    };
    Ok(ContactExport { vcards: contacts.iter().map(vcard).collect(), next_cursor })
}

/// Handles `get-contact`: one contact.
async fn get_contact(asked: GetContact, store: ReadContext<Postgres>) -> HandlerResult<ContactView> {
    let contact = store::find_contact(&store, asked.account_id, asked.contact_id).await?;
    Ok(contact_view(contact.ok_or_else(|| Problem::not_found("contact"))?))
}

/// Handles `add-contact`: adds a contact by hand.
async fn add_contact(asked: AddContact, tx: &mut Tx) -> HandlerResult<ContactView> {
    if store::is_erased(tx, asked.account_id).await? {
        return Err(Problem::not_found("account").into());
    }
    let details = Change {
        name: Some(asked.name),
        given_name: asked.given_name,
        family_name: asked.family_name,
        emails: Some(asked.emails),
        phones: Some(asked.phones),
        company: asked.company,
        title: asked.title,
        notes: asked.notes,
        urls: Some(asked.urls),
    };
    let contact = Contact::written(tx.new_id(), asked.account_id, details, tx.now())?;
    if store::insert_all(tx, std::slice::from_ref(&contact)).await? == 0 {
        return Err(ContactRefusal::Exists.into());
    }
    tx.publish(events::added(&contact))?;
    Ok(contact_view(contact))
}

/// Handles `change-contact`: changes the given details.
async fn change_contact(asked: ChangeContact, tx: &mut Tx) -> HandlerResult<ContactView> {
    let contact = contact_of(tx, asked.account_id, asked.contact_id).await?;
    let change = Change {
        name: asked.name,
        given_name: asked.given_name,
        family_name: asked.family_name,
        emails: asked.emails.map(|texts| texts.0),
        phones: asked.phones.map(|texts| texts.0),
        company: asked.company,
        title: asked.title,
        notes: asked.notes,
        urls: asked.urls.map(|texts| texts.0),
    };
    let contact = contact.change(change, tx.now())?;
    store::update_all(tx, std::slice::from_ref(&contact)).await?;
    tx.publish(events::changed(&contact))?;
    Ok(contact_view(contact))
}

/// Handles `remove-contact`: removes a contact.
async fn remove_contact(asked: RemoveContact, tx: &mut Tx) -> HandlerResult<()> {
    let contact = contact_of(tx, asked.account_id, asked.contact_id).await?;
    store::delete_contact(tx, contact.id).await?;
    let now = tx.now();
    tx.publish(events::removed(&contact, now))
}

async fn contact_of(tx: &mut Tx, owner: Uuid, id: Uuid) -> Result<Contact, Failure> {
    let contact = store::find_contact_to_change(tx, owner, id).await?;
    contact.ok_or_else(|| Problem::not_found("contact").into())
}

async fn import_of(tx: &mut Tx, id: Uuid, account: Uuid) -> Result<Import, Failure> {
    let import = store::find_import(tx, id).await?;
    import.filter(|import| import.account_id == account).ok_or_else(|| ImportRefusal::Missing.into())
}

async fn found_import(store: &Postgres, id: Uuid, account: Uuid) -> Result<(Import, Vec<files::Problem>), Failure> {
    let found = store::import_with_problems(store, id).await?;
    found.filter(|(import, _)| import.account_id == account).ok_or_else(|| ImportRefusal::Missing.into())
}

/// A page by name, and the cursor of the next one.
async fn page(
    store: &Postgres,
    owner: Uuid,
    request: PageRequest<(String, Uuid)>,
) -> Result<(Vec<Contact>, Option<String>), Failure> {
    let after = request.after.clone().unwrap_or_default();
    let found = store::page(store, owner, &after, request.fetch()).await?;
    Ok(request.page(found, |last| (store::sort_key(last), last.id)))
}
