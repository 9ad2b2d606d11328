//! The texts of the pages.

use catalogue::{Files, files_of};
use contracts::Seen;
use serde_json::json;

use crate::repository::repository;

fn files() -> Files {
    files_of(&repository().contracts(), None).unwrap()
}

/// Returns the text of a page without markup, so that a sentence is found across elements.
fn words(page: &str) -> String {
    let mut words = String::new();
    for part in page.split('<') {
        words.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    words
}

#[test]
fn a_message_has_one_page_with_all_its_versions() {
    let files = files();

    let page = words(&files["messages/orders.order-placed.html"]);

    assert!(page.contains("Version 2") && page.contains("Version 1"), "{page}");
    assert!(page.contains("From v1 to v2"));
    assert!(page.contains("added items integer · how many things"));
    assert!(page.contains("removed coupon string, optional · what made it cheaper"));
    assert!(page.contains("Readers of v2 can read messages of v1: no."));
    assert!(page.contains("Readers of v1 can read messages of v2: yes."));
}

#[test]
fn the_page_of_a_message_names_who_reads_which_fields() {
    let files = files();

    let page = words(&files["messages/orders.order-placed.html"]);

    assert!(page.contains("2 of 3: order_id, items"), "{page}");
    assert!(page.contains("upcast to v2 first"));
}

#[test]
fn every_service_has_a_page_with_what_it_does() {
    let files = files();

    let (orders, billing) = (words(&files["services/orders.html"]), words(&files["services/billing.html"]));

    for part in ["Publishes", "Answers", "Runs", "Queues"] {
        assert!(orders.contains(part), "{part} is not in {orders}");
    }
    assert!(!orders.contains("Consumes") && !orders.contains("Calls "));
    assert!(billing.contains("Consumes") && billing.contains("Calls ") && !billing.contains("Publishes"));
}

#[test]
fn personal_data_of_examples_is_nowhere() {
    let files = files();

    let shown: Vec<_> = files.iter().filter(|(_, text)| text.contains("Grace")).map(|(name, _)| name).collect();

    assert_eq!(shown, Vec::<&String>::new());
    assert!(files["messages/orders.order-placed.html"].contains("&quot;buyer&quot;: &quot;•••&quot;"));
    assert!(files["schemas/orders/order-placed.v1.json"].contains("\"buyer\": \"•••\""));
}

#[test]
fn what_a_schema_says_cannot_become_a_part_of_the_page() {
    let files = files();

    let start = &files["index.html"];

    assert!(start.contains("Someone has ordered &lt;things&gt;.&lt;/script&gt;"));
    let index = start.split_once("application/json\">").unwrap().1;
    assert!(index.starts_with('[') && index.split_once("</script>").unwrap().0.contains("\\u003cthings>"));
    assert!(!start.contains("<things>"));
}

#[test]
fn the_index_finds_fields_and_services() {
    let files = files();

    let start = &files["index.html"];
    let index = start.split_once("application/json\">").unwrap().1.split_once("</script>").unwrap().0;
    let index: serde_json::Value = serde_json::from_str(index).unwrap();

    let placed = index.as_array().unwrap().iter().find(|entry| entry["topic"] == "orders.order-placed").unwrap();
    assert_eq!(placed["services"], serde_json::json!(["billing", "orders"]));
    assert!(placed["fields"].as_array().unwrap().contains(&serde_json::json!(["/coupon", "what made it cheaper"])));
}

#[test]
fn the_page_of_an_event_says_when_it_was_last_seen_and_when_it_retires() {
    let folder = repository();
    folder.write("events/schemas/orders/retirements.json", &json!({ "order-placed.v1": "2027-06-30" }));
    folder.write(
        "seen.json",
        &json!({
            "read_at": "2026-11-29T13:00:00Z",
            "histories": { "orders": "2026-10-30T08:15:00Z" },
            "messages": { "orders.order-placed.v2": { "last": "2026-11-29T12:59:30Z", "count": 12 } },
        }),
    );
    let seen = Seen::read(&folder.path().join("seen.json")).unwrap();

    let files = files_of(&folder.contracts(), Some(&seen)).unwrap();

    let page = words(&files["messages/orders.order-placed.html"]);
    assert!(
        page.contains("2026-11-29 12:59 UTC, 12 since 2026-10-30 08:15 UTC (as of 2026-11-29 13:00 UTC)"),
        "{page}"
    );
    assert!(page.contains("not since 2026-10-30 08:15 UTC (as of 2026-11-29 13:00 UTC)"), "of version 1: {page}");
    assert!(page.contains("2027-06-30; use the newest version"), "{page}");
}

#[test]
fn without_a_look_at_a_running_system_nothing_is_said_of_it() {
    assert!(!words(&files()["messages/orders.order-placed.html"]).contains("Last seen"));
}
