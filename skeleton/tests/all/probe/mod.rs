//! A small service for the tests: it counts contacts, and links each once.

use accounts_events::Registered;
use contacts_events::{ChangeContact, ContactRemoved, ContactView, GetContact, ImportFile};
use skeleton::{
    Failure, HandlerResult, Jobs, Postgres, Problem, Progress, Publish, ReadContext, RequestHandlers, Service,
    Subscriptions, store::postgres::Tx,
};

pub const MIGRATIONS: &[(&str, &str)] = &[(
    "V1__probe",
    "create table effects (contact_id uuid primary key, times integer not null);
     create table steps (import_id uuid primary key, position bigint not null)",
)];

pub fn service() -> Service<Postgres> {
    Service::named("contacts")
        .store(Postgres::migrated_by(MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered))
        .answers(RequestHandlers::new().read(get_contact).write(change_contact), &["gateway"])
        .jobs(Jobs::new().on(import_file))
}

/// Counts a contact. The name selects the behaviour: `refuse`, `fail`, `panic`, `slow`.
async fn on_registered(added: Registered, tx: &mut Tx) -> HandlerResult {
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    tx.execute(sql, &[&added.account_id]).await?;
    match added.name.as_str() {
        "refuse" => return Err(Problem::new(422, "refused", "this one is refused").into()),
        "fail" => return Err(Failure::retry("this one fails")),
        "panic" => panic!("this one panics"),
        _ => {}
    }
    let removed_at = tx.now();
    tx.publish(ContactRemoved { contact_id: added.account_id, owner_id: added.account_id, removed_at })
}

async fn get_contact(asked: GetContact, store: ReadContext<Postgres>) -> HandlerResult<ContactView> {
    let row = store.query_opt("select times from effects where contact_id = $1", &[&asked.contact_id]).await?;
    let times: i32 = row.ok_or_else(|| Problem::not_found("contact"))?.get(0);
    Ok(ContactView { name: times.to_string(), ..contacts_events::samples::contact_view() })
}

async fn change_contact(asked: ChangeContact, tx: &mut Tx) -> HandlerResult<ContactView> {
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1 returning times";
    let times: i32 = tx.query_one(sql, &[&asked.contact_id]).await?.get(0);
    Ok(ContactView { name: times.to_string(), ..contacts_events::samples::contact_view() })
}

/// Ten steps.
async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    let sql = "insert into steps as s (import_id, position) values ($1, 1) on conflict (import_id) do update set position = s.position + 1";
    tx.execute(sql, &[&job.import_id]).await?;
    if job.position == 9 {
        return Ok(Progress::Done);
    }
    Ok(Progress::More(ImportFile { position: job.position + 1, ..job }))
}
