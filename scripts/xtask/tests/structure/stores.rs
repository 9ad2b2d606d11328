//! A service compiles the client library of its own store, and of no other.

use std::process::Command;

use super::root;

/// The stores of `service.toml`, and the crates that only they need.
const CLIENTS: [(&str, &str); 3] =
    [("postgres", "tokio-postgres"), ("neo4j", "neo4rs"), ("elasticsearch", "elasticsearch")];

#[test]
fn a_service_compiles_the_client_of_its_own_store_only() {
    for service in kith_cli::services(&root()).unwrap() {
        let arguments = ["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package"];
        let output =
            Command::new(env!("CARGO")).args(arguments).arg(&service.name).current_dir(root()).output().unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (store, client) in CLIENTS {
            let is_compiled = tree.lines().any(|line| line.split(' ').next() == Some(client));
            assert_eq!(is_compiled, store == service.store.name(), "{}: {client}", service.name);
        }
    }
}
