//! Each version beside all earlier ones of the same message.

use schema_compat::{Comparison, compare_with_released};

use crate::{Contracts, Kind, Message, Remark, Report};

pub(super) fn check(contracts: &Contracts, report: &mut Report) {
    for new in contracts.messages.values() {
        check_upcaster(new, report);
        let earlier: Vec<&Message> = contracts.earlier_than(new).collect();
        let told = compare_with_released(earlier.iter().map(|old| ("", &old.bundled)), &new.bundled);
        for (old, (_, told)) in earlier.into_iter().zip(&told.versions) {
            compared(contracts, old, new, told, report);
        }
    }
}

fn check_upcaster(message: &Message, report: &mut Report) {
    let version = message.name.version;
    if let Some(from) = message.upcast_from.filter(|from| *from >= version) {
        let says = format!("x-kith says upcast_from {from}, which is no earlier version");
        let remark = Remark::new("upcaster-wrong", &message.name, says);
        report.problems.push(remark.todo(format!("name the version that it is made from, below {version}")));
    }
}

fn compared(contracts: &Contracts, old: &Message, new: &Message, told: &Comparison, report: &mut Report) {
    if told.full() {
        return;
    }
    let breaks: Vec<_> = told.breaks.iter().map(|shown| contracts.hit(old, new, shown)).collect();
    let version = old.name.version;
    let beside = beside(new.kind, version);
    match cover(contracts, old, new, told) {
        Some(cover) => {
            let says = format!("breaks with v{version}: {cover}; {beside}");
            report.notes.push(Remark::new("version-breaks", &new.name, says).breaks(breaks));
        }
        None => {
            let says =
                format!("breaks with v{version}, and nothing reads the messages of v{version} that are still around");
            let mut todo = format!(
                "write the upcaster that makes it from v{version}, and say \"upcast_from\": {version} in its x-kith"
            );
            if new.kind == Kind::Request {
                todo.push_str(&format!("; or let {} answer v{version} too", new.name.owner));
            }
            report.problems.push(Remark::new("upcaster-missing", &new.name, says).todo(todo).breaks(breaks));
        }
    }
}

/// Why readers of the new version are not hit by messages of the old one.
fn cover(contracts: &Contracts, old: &Message, new: &Message, told: &Comparison) -> Option<&'static str> {
    if told.backward.is_compatible() {
        return Some("its readers read the old messages too, but not the other way round");
    }
    if contracts.is_upcast(old, new) {
        return Some("covered by the upcaster");
    }
    match new.kind {
        Kind::Reply => Some("it is only sent to requests that name it"),
        Kind::Request if contracts.answers(old) => Some("both are answered"),
        _ => None,
    }
}

fn beside(kind: Kind, version: u32) -> String {
    match kind {
        Kind::Event => format!("v{version} stays published beside it until nobody consumes it"),
        Kind::Request => format!("v{version} stays answered beside it until nobody asks it"),
        Kind::Reply => format!("v{version} stays the reply to the requests that name it"),
        Kind::Job => format!("v{version} stays worked off until none is left in the queue"),
    }
}

impl Contracts {
    fn earlier_than<'a>(&'a self, new: &'a Message) -> impl Iterator<Item = &'a Message> {
        self.versions_of(&new.name).filter(|old| old.name.version < new.name.version)
    }

    /// Whether upcasters lead from one version to another, one or several in a row.
    fn is_upcast(&self, old: &Message, new: &Message) -> bool {
        let mut at = new;
        loop {
            let Some(from) = at.upcast_from.filter(|from| *from >= old.name.version && *from < at.name.version) else {
                return false;
            };
            if from == old.name.version {
                return true;
            }
            let Some(between) = self.messages.get(&at.name.in_version(from)) else { return false };
            at = between;
        }
    }

    fn answers(&self, request: &Message) -> bool {
        let owner = self.services.get(&request.name.owner);
        owner.is_some_and(|owner| owner.answers.iter().any(|answered| answered.message == request.name))
    }
}
