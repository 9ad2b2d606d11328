//! Searches. Each covers one account's documents: the filter is added here and nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Elasticsearch, client::Body, index::Document};
use crate::failure::StoreError;

/// A search in an index.
///
/// It has no fields for features that go beyond its query (aggregations, suggestions, rescoring), so it cannot widen
/// the set of accounts whose documents are found.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which documents match, and how well.
    pub query: Value,
    /// The fields that order documents with equal scores.
    pub then_by: &'static [&'static str],
    /// Of documents with the same value in this field, only the best is found.
    pub one_per: Option<&'static str>,
    /// Passages to show with the hits.
    pub passages: Option<Passages>,
    /// The maximum number of hits.
    pub limit: usize,
}

/// Passages of long fields.
#[derive(Clone, Debug)]
pub struct Passages {
    /// The fields.
    pub of: &'static [&'static str],
    /// The query to highlight. It is separate because fuzzy matching again in every document costs too much.
    pub around: Value,
}

/// The number of characters of a field that are searched for a passage, and the approximate length of a passage.
const LOOKED_THROUGH: usize = 50_000;
const PASSAGE: usize = 150;

/// A document found by a search.
#[derive(Clone, Debug)]
pub struct Hit<D> {
    /// Its id.
    pub id: Uuid,
    /// Its relevance score.
    pub score: f64,
    /// Its content.
    pub document: D,
    /// The passages around the match, by field, with the match between `<em>` and `</em>`. If the match is out of
    /// range, the beginning of the field. Text, not HTML.
    pub passages: BTreeMap<String, Vec<String>>,
    /// The number of documents it represents: more than one only for a search with `one_per`.
    pub alike: u64,
}

#[derive(Deserialize)]
struct RawHit<D> {
    _id: Uuid,
    _score: Option<f64>,
    _source: D,
    #[serde(default)]
    highlight: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    inner_hits: Value,
}

impl Elasticsearch {
    /// Runs several searches in the documents of one account. Results are in the order of the searches.
    ///
    /// # Errors
    /// Fails if the server does not respond or a search is invalid.
    pub async fn find_of<D: Document + DeserializeOwned>(
        &self,
        owner: Uuid,
        questions: &[Question],
    ) -> Result<Vec<Vec<Hit<D>>>, StoreError> {
        let mut lines = Vec::new();
        for question in questions {
            // Searches of the same account use the same copy each time: scores differ between copies.
            let header = json!({ "index": self.names.alias(D::INDEX), "preference": owner, "allow_partial_search_results": false });
            lines.extend_from_slice(format!("{header}\n{}\n", body_of(owner, question)).as_bytes());
        }
        let answer = self.client.post("_msearch", Body::Lines(lines)).await?;
        let answers = answer["responses"].as_array().map(Vec::as_slice).unwrap_or_default();
        if answers.len() != questions.len() {
            return Err(StoreError::broken(format!(
                "elasticsearch: {} searches were sent, {} answered",
                questions.len(),
                answers.len()
            )));
        }
        answers.iter().map(|answer| read(answer, D::INDEX)).collect()
    }
}

/// The only place that restricts a search to an account's documents.
fn body_of(owner: Uuid, question: &Question) -> Value {
    let mut sort = vec![json!({ "_score": "desc" })];
    sort.extend(question.then_by.iter().map(|field| json!({ *field: "asc" })));
    let mut body = json!({
        "query": { "bool": {
            "filter": { "term": { "owner_id": owner } },
            "must_not": { "term": { "deleted": true } },
            "must": question.query,
        } },
        "sort": sort,
        "size": question.limit,
        "track_total_hits": false,
    });
    if let Some(field) = question.one_per {
        body["collapse"] = json!({ "field": field, "inner_hits": { "name": "alike", "size": 0 } });
    }
    if let Some(Passages { of, around }) = &question.passages {
        let fields: BTreeMap<_, _> = of.iter().map(|field| (*field, json!({}))).collect();
        body["highlight"] = json!({
            "fields": fields, "highlight_query": around, "number_of_fragments": 1, "fragment_size": PASSAGE,
            "no_match_size": PASSAGE, "max_analyzed_offset": LOOKED_THROUGH,
        });
    }
    body
}

fn read<D: DeserializeOwned>(answer: &Value, index: &str) -> Result<Vec<Hit<D>>, StoreError> {
    if !answer["error"].is_null() {
        let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
        return Err(super::client::Refused::new(status, &answer["error"], index).into());
    }
    super::owners::hits(answer).iter().map(hit).collect()
}

fn hit<D: DeserializeOwned>(hit: &Value) -> Result<Hit<D>, StoreError> {
    let raw: RawHit<D> = serde_json::from_value(hit.clone()).map_err(StoreError::broken)?;
    let alike = raw.inner_hits["alike"]["hits"]["total"]["value"].as_u64().unwrap_or(1);
    Ok(Hit {
        id: raw._id,
        score: raw._score.unwrap_or_default(),
        document: raw._source,
        passages: raw.highlight,
        alike,
    })
}
