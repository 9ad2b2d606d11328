//! The table of the services for the scripts in `deploy/native` and `deploy/compose`.

use std::fmt::Write;

use crate::{
    Service,
    service::{names_of, variable},
};

/// The table's file.
pub const PATH: &str = "deploy/native/lib/services_table.sh";

const HEAD: &str = "\
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the files that source this one
# Generated from services/*/service.toml by `cargo kith generate`. Do not edit.

";

/// The table, as arrays of bash.
pub fn table(services: &[Service]) -> String {
    let mut text = HEAD.to_owned();
    let names = names_of(services, |_| true);
    let public = names_of(services, |service| service.public).concat();
    let mail = names_of(services, |service| service.mail);
    let secrets = |service: &Service| {
        service.secrets.iter().map(|(name, secret)| format!("{name}:{}", secret.kind.name())).collect()
    };
    let secret_settings = |service: &Service| {
        let lines = service.secrets.iter().map(|(name, secret)| format!("{}_FILE={name}", variable(&secret.setting)));
        lines.collect()
    };
    let local = |service: &Service| {
        service.local_settings().into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    let _ = writeln!(text, "# In the order of their admin ports.\nSERVICES=({})", names.join(" "));
    let _ = writeln!(text, "# The one whose HTTP port is published.\nPUBLIC_SERVICE={public}");
    let _ = writeln!(text, "MAIL_SERVICES=({})", mail.join(" "));
    column(&mut text, "", "STORE_OF", services, |service| vec![service.store.name().to_owned()]);
    column(&mut text, "Added to KITH_ADMIN_PORT_BASE.", "ADMIN_PORT_OF", services, |service| {
        vec![service.admin_port.to_string()]
    });
    column(&mut text, "The folder of a built web app, in the service's own.", "WEB_OF", services, |service| {
        Vec::from_iter(service.web.clone())
    });
    column(&mut text, "Besides those for store and broker: NAME:KIND.", "SECRETS_OF", services, secrets);
    column(
        &mut text,
        "Variables without prefix, and the secrets they name: VARIABLE=NAME.",
        "SECRET_SETTINGS_OF",
        services,
        secret_settings,
    );
    column(
        &mut text,
        "Only on a developer's machine: VARIABLE=VALUE, without prefix.",
        "LOCAL_SETTINGS_OF",
        services,
        local,
    );
    text
}

/// An associative array of the services that have a value; several values are separated by spaces.
fn column(
    text: &mut String,
    comment: &str,
    name: &str,
    services: &[Service],
    values: impl Fn(&Service) -> Vec<String>,
) {
    if !comment.is_empty() {
        let _ = writeln!(text, "# {comment}");
    }
    let _ = writeln!(text, "declare -A {name}=(");
    for service in services {
        let values = values(service);
        if !values.is_empty() {
            let _ = writeln!(text, "    [{}]=\"{}\"", service.name, values.join(" "));
        }
    }
    text.push_str(")\n");
}
