//! A released file never changes, and stays while somebody consumes it.

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
                "it is not there, so a change of a released file is not seen",
            )
            .todo("bring it back from git; where nothing was ever released, cargo xtask events release makes it"),
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
    Remark::new("released-missing", file, "the file is released and is not there").todo(format!(
        "bring it back from git. Where cargo xtask events can-remove {name} said that nobody needs it any more, \
         take its line out of events/released.lock in the same change"
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
        "git checkout the file as it was released, and write the change to {}/{}.json",
        message.name.owner,
        contracts.next_version(&message.name).key()
    );
    let remark = |says: String| Remark::new("released-changed", &file, says).todo(&todo);
    let Some(text) = released else {
        return Ok(remark(format!(
            "the file is released and has changed: its SHA-256 is {}, not {wanted}. Git has no commit with the released \
             text here, so what would break is not known",
            digest(&message.text)
        )));
    };
    let SchemaFile { text, schema, bundled } = SchemaFile::from_text(&message.path, text)?;
    let old = Message { text, schema, bundled, ..message.clone() };
    let told = schema_compat::compare(&old.bundled, &message.bundled);
    let breaks: Vec<_> = told.breaks.iter().map(|shown| contracts.hit(&old, message, shown)).collect();
    let effect = if breaks.is_empty() { "nothing would break, but it never changes" } else { "this would break:" };
    Ok(remark(format!("the file is released and has changed; {effect}")).breaks(breaks))
}
