//! The services that keep data of accounts, for the erasure of an account: `services/accounts`.

use anyhow::Result;

use super::{NOTICE, packages_of};
use crate::{Service, region};

/// The list of them.
pub const PARTS: &str = "services/accounts/src/domain/parts.rs";

/// The handlers of their confirmations.
pub const CONFIRMATIONS: &str = "services/accounts/src/consumers/confirmations.rs";

/// The file that has their messages as dependencies.
pub const MANIFEST: &str = "services/accounts/Cargo.toml";

/// The service that erases accounts: it confirms to itself.
const OWN: &str = "accounts";

/// The list.
pub fn parts(services: &[Service]) -> String {
    let others = others(services);
    let part = |service: &&Service| {
        let (constant, name) = (service.prefix(), &service.name);
        format!(
            "\n/// The service `{name}`.\npub const {constant}: Part = Part {{ service: \"{name}\", step: \"{name} has erased its part\" }};\n"
        )
    };
    let all: Vec<String> = others.iter().map(|service| service.prefix()).collect();
    format!(
        "{NOTICE}\n\nuse super::part::Part;\n\n\
         /// The services besides this one that keep data of accounts: an erasure is finished when each has confirmed.\n\
         pub const OTHERS: &[Part] = &[{}];\n{}",
        all.join(", "),
        others.iter().map(part).collect::<String>()
    )
}

/// The handlers.
pub fn confirmations(services: &[Service]) -> String {
    let others = others(services);
    let name = |service: &Service| service.crate_name();
    let calls: String = others.iter().map(|service| format!("\n        .on(on_{}_erased)", name(service))).collect();
    let handler = |service: &&Service| {
        format!(
            "\n/// `{name}` has erased its part.\n\
             async fn on_{name}_erased(done: {name}_events::AccountDataErased, tx: &mut Tx) -> HandlerResult {{\n    \
             confirm(tx, done.account_id, parts::{constant}, Confirmed {{ erased_at: done.erased_at, removed: done.removed }}).await\n\
             }}\n",
            name = name(service),
            constant = service.prefix()
        )
    };
    format!(
        "{NOTICE}\n\nuse skeleton::{{HandlerResult, Subscriptions, store::postgres::Tx}};\n\n\
         use crate::{{\n    domain::{{Confirmed, parts}},\n    jobs::erasing::confirm,\n}};\n\n\
         /// Adds the handlers of the other services' confirmations.\n\
         pub fn with_confirmations(subscriptions: Subscriptions<Tx>) -> Subscriptions<Tx> {{\n    subscriptions{calls}\n}}\n{}",
        others.iter().map(handler).collect::<String>()
    )
}

/// The manifest with its region for these services.
pub fn dependencies(text: &str, services: &[Service]) -> Result<String> {
    region::replace(text, "packages", &packages_of(others(services).iter().map(|service| service.name.as_str())))
}

/// The others that keep data of accounts, by name.
fn others(services: &[Service]) -> Vec<&Service> {
    let mut others: Vec<_> = services.iter().filter(|service| service.account_data && service.name != OWN).collect();
    others.sort_by(|one, other| one.name.cmp(&other.name));
    others
}
