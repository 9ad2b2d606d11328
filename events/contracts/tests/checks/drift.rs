//! Comparison of the contracts with a broker.

use contracts::{Broker, drift};
use serde_json::json;

use crate::{broker::Answers, repository::Repository};

fn lines(answers: &Answers) -> Vec<String> {
    let found = drift(&Repository::new().contracts(), &answers.broker());
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_broker_with_just_what_the_contracts_name_has_no_drift() {
    assert_eq!(lines(&Answers::new()), [""; 0]);
}

#[test]
fn what_is_missing_is_named_with_the_service_that_makes_it() {
    let mut answers = Answers::new().without_binding("contacts.jobs");
    answers.queues.as_array_mut().unwrap().retain(|queue| queue["name"] != "contacts.requests");
    answers.exchanges.as_array_mut().unwrap().retain(|exchange| exchange["name"] != "dead.contacts");

    assert_eq!(
        lines(&answers),
        [
            "missing exchange dead.contacts; do: contacts topology apply",
            "missing queue contacts.requests; do: contacts topology apply",
            "missing binding jobs.contacts -> contacts.jobs with \"import-file.v1\"; do: contacts topology apply",
        ]
    );
}

#[test]
fn what_no_contract_names_is_surplus() {
    let mut answers = Answers::new();
    answers.add_exchange("events.old");
    answers.add_queue("old.events");
    answers.bind("events.contacts", "old.events", "a#b", "a%23b");
    answers.bind("events.contacts", "search.events", "contact-added.v9", "contact-added.v9");

    assert_eq!(
        lines(&answers),
        [
            "surplus exchange events.old; do: if it is unused, \
             curl -X DELETE \"$KITH_RABBIT_API/api/exchanges/%2F/events.old?if-unused=true\"",
            "surplus queue old.events (messages: unknown, consumers: unknown); do: if it is unused, \
             check that it is empty, curl -X DELETE \"$KITH_RABBIT_API/api/queues/%2F/old.events\"",
            "surplus binding events.contacts -> old.events with \"a#b\"; do: if it is unused, \
             curl -X DELETE \"$KITH_RABBIT_API/api/bindings/%2F/e/events.contacts/q/old.events/a%23b\"",
            "surplus binding events.contacts -> search.events with \"contact-added.v9\"; do: search topology apply",
        ]
    );
}

#[test]
fn what_a_caller_from_outside_has_is_its_own_but_not_what_it_binds_to_events() {
    let mut contracts = Repository::new().contracts();
    contracts.services.get_mut("contacts").unwrap().callers.push("demo".to_owned());
    let mut answers = Answers::new();
    answers.add_exchange("replies.demo");
    answers.add_queue("demo.dead");
    answers.bind("replies.demo", "demo.dead", "", "~");
    let told = |answers: &Answers| drift(&contracts, &answers.broker()).into_iter().map(|drift| drift.name).collect();
    let found: Vec<String> = told(&answers);
    assert_eq!(found, [""; 0]);

    answers.bind("events.contacts", "demo.dead", "#", "%23");

    let found: Vec<String> = told(&answers);
    assert_eq!(found, ["events.contacts -> demo.dead with \"#\""]);
}

#[test]
fn the_brokers_own_and_the_queues_of_instances_are_left_out() {
    let mut answers = Answers::new();
    answers.add_queue("amq.gen-JzTY20BRgKO-HjmUJj0wLg");
    answers.bind("events.contacts", "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "#", "%23");
    answers.add_queue("search.replies.7c0f3c1e");
    answers.bind("replies.search", "search.replies.7c0f3c1e", "7c0f3c1e", "7c0f3c1e");
    assert_eq!(lines(&answers), [""; 0]);

    answers.add_queue("stranger.replies.7c0f3c1e");
    assert_eq!(lines(&answers).len(), 1);
}

#[test]
fn what_is_there_with_other_arguments_is_different() {
    let mut answers = Answers::new();
    answers.exchange("events.contacts")["type"] = json!("direct");
    answers.queue("contacts.requests")["arguments"] = json!({"x-max-length": 5, "x-message-ttl": 1000});
    answers.queue("search.events")["durable"] = json!(false);

    let lines = lines(&answers);

    let starts: Vec<_> = lines.iter().map(|line| line.split_once("; do: ").unwrap().0).collect();
    assert_eq!(
        starts,
        [
            "different exchange events.contacts (direct instead of topic)",
            "different queue contacts.requests (x-max-length is 5 instead of 100000, \
             x-overflow is not set instead of \"drop-head\", x-message-ttl is 1000 instead of not set)",
            "different queue search.events (not durable)",
        ]
    );
    assert!(
        lines[1].contains("let contacts empty it, stop contacts, check that it is empty, curl -X DELETE"),
        "{}",
        lines[1]
    );
}

#[test]
fn a_type_that_the_broker_wrote_into_a_queue_by_itself_is_no_difference() {
    let mut answers = Answers::new();
    answers.queue("contacts.requests")["arguments"]["x-queue-type"] = json!("classic");
    assert_eq!(lines(&answers), [""; 0]);

    answers.queue("search.events")["arguments"]["x-queue-type"] = json!("classic");
    assert_eq!(lines(&answers).len(), 1);
}

#[test]
fn one_difference_is_one_json_object() {
    let found = drift(&Repository::new().contracts(), &Answers::new().without_binding("contacts.jobs").broker());

    assert_eq!(
        serde_json::to_value(found).unwrap(),
        json!([{
            "is": "missing", "what": "binding", "name": "jobs.contacts -> contacts.jobs with \"import-file.v1\"",
            "do": "contacts topology apply"
        }])
    );
}

#[test]
fn an_answer_that_is_no_list_is_refused() {
    let refused = Broker::from_answers("/", [json!({"error": "not_authorised"}), json!([]), json!([])]).unwrap_err();

    assert!(refused.starts_with("the broker's response is not a list of exchanges"), "{refused}");
    assert_eq!(Broker::questions("a/b")[2], "api/bindings/a%2Fb");
}
