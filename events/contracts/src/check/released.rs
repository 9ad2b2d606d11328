//! A released file never changes, and stays while it has consumers.

use crate::{
    ContractError, Contracts, Lock, Message, Remark, Report, file::SchemaFile, history::Earlier, lock::digest,
};

pub(super) fn check(
    contracts: &Contracts,
    lock: Option<&Lock>,
    earlier: &Earlier<'_>,
    report: &mut Report,
) -> Result<(), ContractError> {
    let nothing = Lock::default();
    if lock.is_none() {
        report.problems.push(
            Remark::new(
                "lock-missing",
                crate::lock::LOCK,
                "the file is missing, so changes of released files are not detected",
            )
            .todo("restore it from git; if nothing was ever released, cargo xtask events release creates it"),
        );
    }
    let lock = lock.unwrap_or(&nothing);
    report.released = lock.released().count();
    let new = contracts.messages.values().map(Message::file).filter(|file| !lock.has(file));
    report.new.extend(new);
    for (file, wanted) in lock.released() {
        match contracts.messages.values().find(|message| message.file() == file) {
            None => report.problems.push(missing(file)),
            Some(message) if digest(&message.text) != wanted => {
                report.problems.push(changed(contracts, message, wanted, earlier(file, wanted))?);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn missing(file: &str) -> Remark {
    let name = file.trim_end_matches(".json").replacen('/', ".", 1);
    Remark::new("released-missing", file, "the file is released and does not exist").todo(format!(
        "restore it from git. If cargo xtask events can-remove {name} reports no users, \
         remove its line from events/released.lock in the same change"
    ))
}

fn changed(
    contracts: &Contracts,
    message: &Message,
    wanted: &str,
    released: Option<String>,
) -> Result<Remark, ContractError> {
    let file = message.file();
    let todo = format!(
        "restore the released file from git, and make the change in {}/{}.json",
        message.name.owner,
        contracts.next_version(&message.name).key()
    );
    let remark = |says: String| Remark::new("released-changed", &file, says).todo(&todo);
    let Some(text) = released else {
        return Ok(remark(format!(
            "the file is released and has changed: its SHA-256 is {}, not {wanted}. Git has no commit with the released \
             text here, so the effect is unknown",
            digest(&message.text)
        )));
    };
    let SchemaFile { text, schema, bundled } = SchemaFile::from_text(&message.path, text)?;
    let old = Message { text, schema, bundled, ..message.clone() };
    let told = schema_compat::compare(&old.bundled, &message.bundled);
    let breaks: Vec<_> = told.breaks.iter().map(|shown| contracts.hit(&old, message, shown)).collect();
    let effect =
        if breaks.is_empty() { "nothing would break, but released files never change" } else { "this would break:" };
    Ok(remark(format!("the file is released and has changed; {effect}")).breaks(breaks))
}
