//! Leases in Elasticsearch, changed by a script that the server runs atomically (`if_seq_no` internally) with its own
//! clock.
//!
//! Limits of the fencing number: there is no transaction, so [`Fenced::fence`] checks the lease when it is called. The
//! lease may change hands between that check and the write, and a holder that is paused in between does write. If that
//! matters, use the fencing number as the version of the documents, so that they reject an older holder's write.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::{Elasticsearch, Index};
use crate::{
    failure::StoreError,
    store::leases::{Fenced, Lease, Leases},
};

/// The index of the leases.
pub(super) const LEASES: &str = "leases";

const CLAIM: &str = "if (ctx._source.holder == params.holder || ctx._source.expires_at < ctx._now) {
        if (ctx._source.holder != params.holder) { ctx._source.fence += 1; ctx._source.holder = params.holder }
        ctx._source.expires_at = ctx._now + params.lasts
    } else { ctx.op = 'none' }";

const RELEASE: &str = "if (ctx._source.holder == params.holder && ctx._source.fence == params.fence) {
        ctx._source.expires_at = 0L
    } else { ctx.op = 'none' }";

#[derive(Deserialize)]
struct Kept {
    holder: String,
    fence: i64,
}

impl Leases for Elasticsearch {
    async fn claim(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<Lease>, StoreError> {
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let body = json!({
            "scripted_upsert": true,
            "upsert": { "holder": "", "fence": 0, "expires_at": 0 },
            "script": { "source": CLAIM, "params": { "holder": holder, "lasts": lasts } },
        });
        let path = format!("{}/_update/{name}?retry_on_conflict=5&require_alias=true", self.names.alias(LEASES));
        if self.client.post(&path, body).await?["result"] == json!("noop") {
            return Ok(None);
        }
        let kept = kept(self, name).await?.filter(|kept| kept.holder == holder);
        Ok(kept.map(|kept| Lease { name: name.to_owned(), holder: kept.holder, fence: kept.fence }))
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let body = json!({
            "script": { "source": RELEASE, "params": { "holder": lease.holder, "fence": lease.fence } },
        });
        let path =
            format!("{}/_update/{}?retry_on_conflict=5&require_alias=true", self.names.alias(LEASES), lease.name);
        Ok(self.client.post(&path, body).await.map(drop)?)
    }
}

impl Fenced for Index {
    async fn fence(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let is_newest = |kept: &Kept| kept.holder == lease.holder && kept.fence == lease.fence;
        let kept = kept(self.store(), &lease.name).await?;
        kept.filter(is_newest).map(drop).ok_or_else(|| lease.lost())
    }
}

/// The current state of a lease. Reading a document by its id needs no refresh.
async fn kept(store: &Elasticsearch, name: &str) -> Result<Option<Kept>, StoreError> {
    match store.client.get(&format!("{}/_doc/{name}", store.names.alias(LEASES))).await {
        Ok(answer) => serde_json::from_value(answer["_source"].clone()).map(Some).map_err(StoreError::broken),
        Err(error) if error.has_status(404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
