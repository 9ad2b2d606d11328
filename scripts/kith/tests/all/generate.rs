//! `cargo kith generate` and `check` with a seventh service.

use std::{fs, process::Command};

use crate::copy::Copy;

const SEVENTH: &str = "store = \"postgres\"\nadmin_port = 7\nmail = true\n\
    [secrets.api_key]\nsetting = \"bank.api_key\"\nkind = \"random\"\n[local.bank]\nlimit = 3\n";

#[test]
fn a_seventh_service_is_in_every_generated_file() {
    let copy = Copy::new();
    assert!(copy.kith("check").status.success());
    copy.add("billing", SEVENTH);

    let stale = copy.kith("check");
    let error = String::from_utf8(stale.stderr).unwrap();
    assert!(!stale.status.success() && error.contains("run `cargo kith generate`"), "{error}");
    let before = copy.read("deploy/compose/compose.yaml");
    let generated = copy.kith("generate");
    assert!(generated.status.success(), "{generated:?}");

    assert!(copy.kith("check").status.success());
    assert_eq!(String::from_utf8(copy.kith("generate").stdout).unwrap(), "", "the second time changes nothing");
    let compose = copy.read("deploy/compose/compose.yaml");
    for line in [
        "      - secrets-billing:/services/billing",
        "  billing:",
        "      BILLING__STORE__URL: postgres://billing@postgres:5432/billing",
        "      BILLING__BANK__API_KEY_FILE: /secrets/api_key",
        "  secrets-billing:",
    ] {
        assert!(compose.lines().any(|found| found == line), "{line} is missing:\n{compose}");
    }
    let mut lines = compose.lines();
    assert!(before.lines().all(|old| lines.any(|line| line == old)), "lines of others changed:\n{compose}");
    assert!(copy.read("scripts/xtask/Cargo.toml").contains("billing = { path = \"../../services/billing\" }"));
    assert!(copy.read("scripts/xtask/tests/every_service/mod.rs").contains("$call!(billing);"));
    assert!(copy.read("scripts/xtask/src/packages.rs").contains("&billing_events::PACKAGE,"));
    assert!(copy.read("Cargo.toml").contains("billing-events = { path = \"events/schemas/billing\" }"));
    let port = "| health and metrics of billing | 9107 (`KITH_ADMIN_PORT_BASE` + 7) |";
    assert!(copy.read("deploy/README.md").lines().any(|line| line == port));
}

#[test]
fn the_scripts_read_the_seventh_service_from_the_table() {
    let copy = Copy::new();
    copy.add("billing", SEVENTH);
    assert!(copy.kith("generate").status.success());

    let script = "set -euo pipefail; source deploy/native/lib/common.sh; services_on postgres;
        echo \"${ADMIN_PORT_OF[billing]} ${SECRET_SETTINGS_OF[billing]} ${LOCAL_SETTINGS_OF[billing]} ${MAIL_SERVICES[*]}\"
        mkdir -p \"$SECRETS\"; make_secrets; ls \"$SECRETS\"";
    let run =
        Command::new("bash").args(["-c", script]).current_dir(copy.path()).env_remove("KITH_RUN").output().unwrap();
    let text = String::from_utf8(run.stdout).unwrap();

    assert!(run.status.success(), "{text}{}", String::from_utf8_lossy(&run.stderr));
    for line in [
        "billing",
        "7 BANK__API_KEY_FILE=api_key BANK__LIMIT=3 notifications billing",
        "billing.api_key",
        "billing.broker",
        "billing.store",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
    }
}

#[test]
fn a_wrong_service_file_is_refused_by_its_line() {
    for (text, error) in [
        ("store = \"postgres\"\nadmin_port = 7\nweb = \"$(rm)\"\n", "has characters that the scripts cannot pass on"),
        (
            "store = \"postgres\"\nadmin_port = 7\n[local.a]\n\"b c\" = 1\n",
            "has characters that the scripts cannot pass on",
        ),
        ("store = \"oracle\"\nadmin_port = 7\n", "unknown variant `oracle`"),
        ("store = \"postgres\"\nadmin_prot = 7\n", "unknown field `admin_prot`"),
        ("store = \"postgres\"\nadmin_port = 100\n", "choose one from 1 to 99"),
        ("store = \"postgres\"\nadmin_port = 3\n", "billing and contacts both have admin_port 3"),
        ("store = \"postgres\"\nadmin_port = 7\npublic = true\n", "only one service can be public"),
        ("store = \"neo4j\"\nadmin_port = 7\n", "only one service can have its store on Neo4j"),
        (
            "store = \"postgres\"\nadmin_port = 7\n[local.a]\nb = \"$(rm)\"\n",
            "has characters that the scripts cannot pass on",
        ),
        (
            "store = \"postgres\"\nadmin_port = 7\n[secrets.store]\nsetting = \"a.b\"\nkind = \"random\"\n",
            "choose another name",
        ),
    ] {
        let copy = Copy::new();
        copy.add("billing", text);
        copy.refuses(error);
        assert!(!copy.read("deploy/compose/compose.yaml").contains("billing"), "{text}");
    }
}

#[test]
fn a_name_that_a_server_or_sql_has_is_refused() {
    for name in ["order-desk", "Billing", "user", "mail", "postgres", "9lives"] {
        let copy = Copy::new();
        copy.add(name, "store = \"postgres\"\nadmin_port = 7\n");
        copy.refuses(name);
    }
}

#[test]
fn a_service_without_its_file_is_refused() {
    let copy = Copy::new();
    let folder = copy.path().join("services/billing");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("Cargo.toml"), "").unwrap();

    copy.refuses("services/billing/service.toml");
}
