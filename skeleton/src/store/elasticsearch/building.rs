//! Rebuilds indices beside those in use, under separate aliases until the swap.
//!
//! Tombstones are copied with their versions, so that no late event restores a removed document. Documents of erased
//! accounts become tombstones in the new index before it is used, and again before the old one is deleted.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Document, Elasticsearch, client::CallError, owners, plan};
use crate::{
    failure::StoreError,
    store::{Rebuildable, Slice},
};

/// The number of documents listed in one call.
const PAGE: usize = 5000;

impl Elasticsearch {
    /// The documents whose ids are in a slice, each with its version. The field must contain the id as a keyword.
    ///
    /// # Errors
    /// Fails if the server does not respond.
    pub async fn versions_of<D: Document>(&self, field: &str, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
        let alias = self.names.alias(D::INDEX);
        self.client.refresh(&alias).await?;
        let mut asked = json!({
            "size": PAGE, "_source": false, "version": true, "track_total_hits": false, "sort": [{ field: "asc" }],
            "query": { "bool": {
                "filter": { "range": { field: { "gte": slice.first(), "lte": slice.last() } } },
                "must_not": { "term": { "deleted": true } },
            } },
        });
        let mut found = Vec::new();
        loop {
            let answer =
                self.client.post(&format!("{alias}/_search?allow_partial_search_results=false"), asked.clone()).await?;
            let hits = owners::hits(&answer);
            found.extend(
                hits.iter().filter_map(|hit| Some((hit["_id"].as_str()?.parse().ok()?, hit["_version"].as_i64()?))),
            );
            if hits.len() < PAGE {
                return Ok(found);
            }
            asked["search_after"] = hits[hits.len() - 1]["sort"].clone();
        }
    }

    /// The index that an alias refers to.
    async fn behind(&self, alias: &str) -> Result<Option<String>, CallError> {
        match self.client.get(&format!("_alias/{alias}")).await {
            Ok(found) => Ok(found.as_object().and_then(|indices| indices.keys().next().cloned())),
            Err(error) if error.has_status(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates the next index beside the one in use.
    async fn make_beside(&self, plan: &super::IndexPlan, alias: &str) -> Result<(), CallError> {
        let mut body = self.body_of(plan)?;
        body["aliases"] = json!({ alias: {} });
        let used = self.behind(&self.names.alias(plan.name)).await?.unwrap_or_default();
        let mut round = used.rsplit_once("-r").and_then(|(_, round)| round.parse::<u32>().ok()).unwrap_or(0);
        loop {
            round += 1;
            let index = format!("{}-r{round}", self.names.index(plan.name, plan.version));
            match self.client.put(&index, body.clone()).await {
                // Left by an abandoned rebuild.
                Err(error) if error.is("resource_already_exists_exception") => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    async fn bring_tombstones(&self, from: &str, to: &str) -> Result<(), CallError> {
        plan::copy(&self.client, from, to, &json!({ "term": { "deleted": true } })).await
    }
}

impl Rebuildable for Elasticsearch {
    const IS_BESIDE: bool = true;

    async fn lay_out(&self, afresh: bool) -> Result<Self, StoreError> {
        let beside = Self { names: self.names.beside(), ..self.clone() };
        for plan in self.plans {
            let (used, made) = (self.names.alias(plan.name), beside.names.alias(plan.name));
            if let Some(left) = self.behind(&made).await? {
                if !afresh {
                    continue;
                }
                self.client.delete(&left).await?;
            }
            self.make_beside(plan, &made).await?;
            self.bring_tombstones(&used, &made).await?;
        }
        Ok(beside)
    }

    async fn swap(&self) -> Result<(), StoreError> {
        let beside = self.names.beside();
        for plan in self.plans {
            let (used, made) = (self.names.alias(plan.name), beside.alias(plan.name));
            // If one is missing, this plan was swapped before a crash.
            let (Some(old), Some(new)) = (self.behind(&used).await?, self.behind(&made).await?) else { continue };
            self.bring_tombstones(&used, &made).await?;
            owners::bury_all_erased(&self.client, &self.names, &made).await?;
            self.client.refresh(&made).await?;
            let actions = json!({ "actions": [
                { "remove": { "index": old, "alias": used, "must_exist": true } },
                { "remove": { "index": new, "alias": made, "must_exist": true } },
                { "add": { "index": new, "alias": used } },
            ] });
            self.client.post("_aliases", actions).await?;
        }
        Ok(())
    }

    async fn clear_away(&self) -> Result<(), StoreError> {
        for plan in self.plans {
            let used = self.names.alias(plan.name);
            let found = self.client.get(&format!("{}*/_alias", self.names.index(plan.name, plan.version))).await?;
            for (index, about) in found.as_object().into_iter().flatten() {
                if about["aliases"].as_object().is_some_and(|aliases| !aliases.is_empty()) {
                    continue;
                }
                self.bring_tombstones(index, &used).await?;
                self.client.delete(index).await?;
            }
            owners::bury_all_erased(&self.client, &self.names, &used).await?;
        }
        Ok(())
    }
}

impl Elasticsearch {
    /// The body for creating one of the service's own indices.
    pub(super) fn body_of(&self, plan: &super::IndexPlan) -> Result<Value, StoreError> {
        let keyword = json!({ "type": "keyword" });
        let added = json!({ "owner_id": keyword, "deleted": { "type": "boolean" }, "buried_at": { "type": "date" } });
        plan::body_of(plan, self.replicas, &added)
    }
}
