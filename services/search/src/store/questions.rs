//! Conversion of a search text to queries of the index.
//!
//! A score says only how well the text matches. Each word counts by its best kind of match (as typed, as a prefix, with
//! a typo), each kind is worth a fixed number of points, and the words' points are averaged. So the same search gives
//! the same order, scores of people and companies are comparable, and nothing about other accounts' documents shows.
//! Texts are passed as values, never as a query language.

use serde_json::{Value, json};
use skeleton::store::elasticsearch::{Passages, Question};

use crate::domain::{Kind, Query};

/// The most similar terms tried for a mistyped word. They come from all accounts' documents, most similar first.
const NEAR_TERMS: u32 = 100;

/// The query for one kind of results.
pub fn about(kind: Kind, query: &Query, limit: usize) -> Question {
    match kind {
        Kind::Person => Question {
            query: person(query),
            then_by: &["name.whole", "contact_id"],
            one_per: None,
            passages: None,
            limit,
        },
        Kind::Company => Question {
            query: company(query),
            then_by: &["company.whole", "contact_id"],
            one_per: Some("company.whole"),
            passages: None,
            limit,
        },
        Kind::Note => Question {
            query: note(query),
            then_by: &["name.whole", "contact_id"],
            one_per: None,
            passages: Some(passages(query)),
            limit,
        },
    }
}

fn person(query: &Query) -> Value {
    let word = |word: &str| {
        let mut ways = vec![
            worth(60.0, all_of("name", word)),
            worth(55.0, all_of("name.german", word)),
            worth(50.0, in_a_row("name.pairs", word)),
            worth(40.0, all_of("name.start", word)),
            worth(35.0, all_of("emails", word)),
            worth(30.0, all_of("urls", word)),
            worth(25.0, all_of("everything", word)),
        ];
        if query.forgives_slips() {
            ways.push(worth(20.0, with_slips("name", word, "1")));
            ways.push(worth(15.0, with_slips("name", word, "AUTO")));
            ways.push(worth(12.0, with_slips("name.start", word, "AUTO:4,8")));
            ways.push(worth(6.0, with_slips("everything", word, "AUTO:4,8")));
        }
        ways
    };
    // In three words or more, one may fail to match, such as a title or a second name.
    let mut ways = vec![words(query, word, "2<-1")];
    ways.extend(query.digits().map(|digits| worth(35.0, in_a_row("phones", digits))));
    let text = query.text();
    json!({ "bool": {
        "must": best(ways),
        "should": [
            worth(40.0, json!({ "term": { "name.whole": text } })),
            worth(5.0, in_a_row("name", text)),
            worth(3.0, json!({ "prefix": { "name.whole": text } })),
        ],
    } })
}

fn company(query: &Query) -> Value {
    let word = |word: &str| {
        let mut ways = vec![
            worth(60.0, all_of("company", word)),
            worth(50.0, in_a_row("company.pairs", word)),
            worth(40.0, all_of("company.start", word)),
        ];
        if query.forgives_slips() {
            ways.push(worth(20.0, with_slips("company", word, "1")));
            ways.push(worth(15.0, with_slips("company", word, "AUTO")));
            ways.push(worth(12.0, with_slips("company.start", word, "AUTO:4,8")));
        }
        ways
    };
    let text = query.text();
    json!({ "bool": {
        "must": words(query, word, "2<-1"),
        "should": [worth(40.0, json!({ "term": { "company.whole": text } })), worth(5.0, in_a_row("company", text))],
    } })
}

fn note(query: &Query) -> Value {
    let word = |word: &str| {
        let mut ways = as_noted(word);
        if query.forgives_slips() {
            ways.push(worth(5.0, with_slips("notes", word, "AUTO")));
        }
        ways
    };
    json!({ "bool": {
        "must": words(query, word, "100%"),
        "should": worth(5.0, in_a_row("notes", query.text())),
    } })
}

fn as_noted(word: &str) -> Vec<Value> {
    vec![
        worth(30.0, all_of("notes", word)),
        worth(25.0, in_a_row("notes.pairs", word)),
        worth(20.0, all_of("notes.start", word)),
    ]
}

fn passages(query: &Query) -> Passages {
    // A prefix match is part of a word, and highlights the whole word.
    Passages { of: &["notes.start", "notes.pairs"], around: words(query, as_noted, "1") }
}

/// All words, or as many as required, each by its best kind of match. Points are averaged over the words.
fn words(query: &Query, ways_of: impl Fn(&str) -> Vec<Value>, needed: &str) -> Value {
    let share = 1.0 / query.words().len() as f64;
    let words: Vec<Value> =
        query.words().iter().map(|word| json!({ "dis_max": { "queries": ways_of(word), "boost": share } })).collect();
    json!({ "bool": { "should": words, "minimum_should_match": needed } })
}

fn best(ways: Vec<Value>) -> Value {
    json!({ "dis_max": { "queries": ways } })
}

fn worth(points: f64, way: Value) -> Value {
    json!({ "constant_score": { "filter": way, "boost": points } })
}

fn all_of(field: &str, text: &str) -> Value {
    json!({ "match": { field: { "query": text, "operator": "and" } } })
}

fn in_a_row(field: &str, text: &str) -> Value {
    json!({ "match_phrase": { field: text } })
}

fn with_slips(field: &str, text: &str, slips: &str) -> Value {
    json!({ "match": { field: {
        "query": text, "operator": "and", "fuzziness": slips, "prefix_length": 1, "max_expansions": NEAR_TERMS,
    } } })
}
