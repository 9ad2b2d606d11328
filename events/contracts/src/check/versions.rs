//! Compares each version with all earlier ones of the same message.

use schema_compat::{Comparison, compare_with_released};

use crate::{Contracts, Kind, Message, Remark, Report, upcasters::file_of};

pub(super) fn check(contracts: &Contracts, report: &mut Report) {
    for new in contracts.messages.values() {
        let earlier: Vec<&Message> = contracts.earlier_than(new).collect();
        let told = compare_with_released(earlier.iter().map(|old| ("", &old.bundled)), &new.bundled);
        for (old, (_, told)) in earlier.into_iter().zip(&told.versions) {
            compared(contracts, old, new, told, report);
        }
    }
}

fn compared(contracts: &Contracts, old: &Message, new: &Message, told: &Comparison, report: &mut Report) {
    if told.full() {
        return;
    }
    let breaks: Vec<_> = told.breaks.iter().map(|shown| contracts.hit(old, new, shown)).collect();
    let version = old.name.version;
    if let Some(cover) = cover(contracts, old, new, told) {
        let says = format!("breaks with v{version}: {cover}; {}", beside(new.kind, version));
        report.notes.push(Remark::new("version-breaks", &new.name, says).breaks(breaks));
        return;
    }
    let says = format!("breaks with v{version}, and the remaining messages of v{version} cannot be read");
    let todo = match new.kind {
        Kind::Request => format!("let {} answer v{version} too", new.name.owner),
        _ => format!("write the upcasters from v{version} on in {}", file_of(&new.name.owner)),
    };
    report.problems.push(Remark::new("old-messages-unread", &new.name, says).todo(todo).breaks(breaks));
}

/// Returns the reason why readers of the new version are not affected by messages of the old one.
fn cover(contracts: &Contracts, old: &Message, new: &Message, told: &Comparison) -> Option<&'static str> {
    if told.backward.is_compatible() {
        return Some("its readers read the old messages too, but not the other way round");
    }
    match new.kind {
        Kind::Event | Kind::Job => contracts.is_upcast(old, new).then_some("covered by the upcaster"),
        Kind::Request => contracts.answers(old).then_some("both are answered"),
        Kind::Reply => Some("it is only sent to requests that name it"),
    }
}

fn beside(kind: Kind, version: u32) -> String {
    match kind {
        Kind::Event => format!("v{version} stays published beside it until it has no consumers"),
        Kind::Request => format!("v{version} stays answered beside it until it has no callers"),
        Kind::Reply => format!("v{version} stays the reply to the requests that name it"),
        Kind::Job => format!("v{version} stays in use until none is left in the queue"),
    }
}

impl Contracts {
    fn earlier_than<'a>(&'a self, new: &'a Message) -> impl Iterator<Item = &'a Message> {
        self.versions_of(&new.name).filter(|old| old.name.version < new.name.version)
    }

    /// Whether upcasters lead from one version to another, in one or several steps.
    fn is_upcast(&self, old: &Message, new: &Message) -> bool {
        let steps = old.name.version + 1..=new.name.version;
        self.versions_of(&new.name).filter(|version| steps.contains(&version.name.version)).all(|to| to.has_upcaster)
    }

    fn answers(&self, request: &Message) -> bool {
        let owner = self.services.get(&request.name.owner);
        owner.is_some_and(|owner| owner.answers.iter().any(|answered| answered.message == request.name))
    }
}
