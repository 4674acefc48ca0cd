//! Recalculates the cost of stored calls after prices have changed, each with the current price for its day.

mod job;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use hinomi_model::cost;
use hinomi_model::dedup::duplicate_reports;
use hinomi_model::money::Usd;
use hinomi_model::price::PriceBook;
use hinomi_model::span::{Cost, Span};
use hinomi_query::{ProjectSnapshot, QueryError};
use hinomi_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

pub use job::{RepriceJob, RepriceProgress, RepriceTask};

/// Number of spans that are changed at a time; ingestion waits for each batch.
const BATCH_SPANS: usize = 500;

/// Result of recalculating the cost of stored calls. Amounts are in US dollars and cover the calls that totals include.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepriceReport {
    /// Number of calls in the time range.
    pub calls: u64,
    /// Number of calls whose cost or price changes.
    pub changed: u64,
    /// Number of changed calls that had no cost before.
    pub newly_priced: u64,
    /// Number of changed calls that no longer have a cost.
    pub no_longer_priced: u64,
    /// Previous cost of all calls in the time range in US dollars; null if there are calls and none of them had a cost.
    #[schema(required)]
    pub cost_before: Option<f64>,
    /// New cost of all calls in the time range in US dollars; null if there are calls and none of them has a cost.
    #[schema(required)]
    pub cost_after: Option<f64>,
    /// Changed calls by model, the largest changes first.
    pub models: Vec<RepricedModel>,
}

/// Changed calls of one model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepricedModel {
    /// Name of the model; null for calls that name none.
    #[schema(required)]
    pub model: Option<String>,
    /// Number of changed calls.
    pub calls: u64,
    /// Previous cost in US dollars; null if none of the calls had a cost.
    #[schema(required)]
    pub cost_before: Option<f64>,
    /// New cost in US dollars; null if none of the calls has a cost.
    #[schema(required)]
    pub cost_after: Option<f64>,
    /// Identifiers of the prices that now apply to the calls.
    pub prices: BTreeSet<String>,
}

/// Reason why a recalculation ended early. Changes that were already written are kept.
#[derive(Debug, thiserror::Error)]
pub enum RepriceError {
    /// Calls could not be read.
    #[error("could not read the calls: {0}")]
    Query(#[from] QueryError),
    /// Calls could not be written.
    #[error("could not write the calls: {0}")]
    Store(#[from] StoreError),
    /// Recalculation was cancelled.
    #[error("the recalculation was stopped")]
    Stopped,
}

/// Reports progress of a recalculation, and cancels it.
#[derive(Debug, Clone, Default)]
pub struct RepriceControl {
    /// Number of processed calls.
    pub calls: Arc<AtomicU64>,
    /// Cancels the recalculation, which then ends between two writes.
    pub stop: CancellationToken,
}

/// Running totals, exact.
#[derive(Default)]
struct RepriceTally {
    calls: u64,
    changed: u64,
    newly_priced: u64,
    no_longer_priced: u64,
    before: Usd,
    after: Usd,
    /// Number of counted calls with a cost, before and after.
    priced_before: u64,
    priced_after: u64,
    models: BTreeMap<Option<String>, ModelRepriceTally>,
}

#[derive(Default)]
struct ModelRepriceTally {
    calls: u64,
    before: Option<Usd>,
    after: Option<Usd>,
    prices: BTreeSet<String>,
}

/// How the calls of a project are priced.
#[derive(Debug, Clone)]
pub struct PricingPolicy {
    /// Price book of the project.
    pub book: Arc<PriceBook>,
    /// Whether the cost reported by the client is preferred.
    pub prefer_client: bool,
}

/// Recalculates the cost of a project's calls that start in `from_us..to_us`, in microseconds since the Unix epoch. Without a store nothing
/// is changed, and the report says what would change. Returns the report, and whether the work ended with an error. Changes before an error
/// are kept, and a second run makes the remaining changes.
pub async fn reprice(
    calls: &ProjectSnapshot,
    project: u64,
    pricing: &PricingPolicy,
    (from_us, to_us): (i64, i64),
    store: Option<&Store>,
    control: &RepriceControl,
) -> (RepriceReport, Result<(), RepriceError>) {
    let mut tally = RepriceTally::default();
    let ended = reprice_with_report(&mut tally, calls, project, pricing, (from_us, to_us), store, control).await;
    (tally.into_report(), ended)
}

async fn reprice_with_report(
    tally: &mut RepriceTally,
    calls: &ProjectSnapshot,
    project: u64,
    pricing: &PricingPolicy,
    (from_us, to_us): (i64, i64),
    store: Option<&Store>,
    control: &RepriceControl,
) -> Result<(), RepriceError> {
    let mut batches = calls.calls(from_us, to_us).await?;
    while let Some(rows) = batches.next().await {
        let mut changed = Vec::new();
        for row in rows? {
            let now = pricing.current_cost(&row.span);
            if row.span.cost == now {
                tally.add(&row.span, now.as_ref());
                control.calls.fetch_add(1, Ordering::Relaxed);
            } else {
                changed.push((row.span, now));
            }
        }
        for some in changed.chunks(BATCH_SPANS) {
            if control.stop.is_cancelled() {
                return Err(RepriceError::Stopped);
            }
            if let Some(store) = store {
                let ids = some.iter().map(|(span, _)| (span.trace_id, span.span_id)).collect();
                let pricing = pricing.clone();
                // The span is priced as it is at that moment: more of it may have arrived since it was read.
                store.revise(project, ids, Arc::new(move |span: &mut Span| pricing.apply_cost(span))).await?;
            }
            some.iter().for_each(|(span, now)| tally.add(span, now.as_ref()));
            control.calls.fetch_add(some.len() as u64, Ordering::Relaxed);
        }
        if control.stop.is_cancelled() {
            return Err(RepriceError::Stopped);
        }
    }
    Ok(())
}

impl PricingPolicy {
    /// Returns the current cost of a call. Its messages are not used.
    fn current_cost(&self, span: &Span) -> Option<Cost> {
        let mut again = span.clone();
        self.apply_cost(&mut again);
        again.cost
    }

    fn apply_cost(&self, span: &mut Span) {
        if duplicate_reports::has_gateway_cost(span) {
            return;
        }
        cost::price(span, &self.book);
        if let Some(joined) = &mut span.joined {
            joined.client_cost_preferred = false;
        }
        if self.prefer_client {
            cost::prefer_client(span);
        }
    }
}

impl RepriceTally {
    /// Adds a call with its current cost.
    fn add(&mut self, span: &Span, now: Option<&Cost>) {
        let total = |cost: Option<&Cost>| cost.map(|cost| cost.total).filter(|_| span.counted);
        let (before, after) = (total(span.cost.as_ref()), total(now));
        self.calls += 1;
        self.before += before.unwrap_or_default();
        self.after += after.unwrap_or_default();
        self.priced_before += u64::from(before.is_some());
        self.priced_after += u64::from(after.is_some());
        if span.cost.as_ref() == now {
            return;
        }
        self.changed += 1;
        self.newly_priced += u64::from(span.cost.is_none() && now.is_some());
        self.no_longer_priced += u64::from(span.cost.is_some() && now.is_none());
        let model = self.models.entry(span.model().map(str::to_owned)).or_default();
        let sum = |sum: Option<Usd>, more: Option<Usd>| more.map_or(sum, |more| Some(sum.unwrap_or_default() + more));
        model.calls += 1;
        model.before = sum(model.before, before);
        model.after = sum(model.after, after);
        model.prices.extend(now.and_then(|cost| cost.price.clone()));
    }

    fn into_report(self) -> RepriceReport {
        let difference = |model: &ModelRepriceTally| (model.after.unwrap_or_default().0 - model.before.unwrap_or_default().0).abs();
        let mut models: Vec<_> = self.models.into_iter().collect();
        models.sort_by_key(|(_, model)| std::cmp::Reverse(difference(model)));
        let model = |(model, of): (Option<String>, ModelRepriceTally)| RepricedModel {
            model,
            calls: of.calls,
            cost_before: of.before.map(Usd::dollars),
            cost_after: of.after.map(Usd::dollars),
            prices: of.prices,
        };
        RepriceReport {
            calls: self.calls,
            changed: self.changed,
            newly_priced: self.newly_priced,
            no_longer_priced: self.no_longer_priced,
            cost_before: sum_in_dollars(self.before, self.priced_before, self.calls),
            cost_after: sum_in_dollars(self.after, self.priced_after, self.calls),
            models: models.into_iter().map(model).collect(),
        }
    }
}

/// Returns a sum in US dollars: 0 if there are no calls, `None` if there are calls and none of them has a price.
fn sum_in_dollars(sum: Usd, priced: u64, calls: u64) -> Option<f64> {
    (priced > 0 || calls == 0).then(|| sum.dollars())
}

impl Default for RepriceReport {
    /// Returns the report of no calls, whose cost is 0.
    fn default() -> RepriceReport {
        RepriceTally::default().into_report()
    }
}

impl RepriceReport {
    /// Adds the report of another time range.
    pub fn add(&mut self, other: RepriceReport) {
        // A range without calls has cost 0, which must not make the unknown cost of the other range known.
        let sum = |(a, a_calls): (Option<f64>, u64), (b, b_calls): (Option<f64>, u64)| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (known, None) => known.filter(|_| a_calls > 0),
            (None, known) => known.filter(|_| b_calls > 0),
        };
        self.cost_before = sum((self.cost_before, self.calls), (other.cost_before, other.calls));
        self.cost_after = sum((self.cost_after, self.calls), (other.cost_after, other.calls));
        self.calls += other.calls;
        self.changed += other.changed;
        self.newly_priced += other.newly_priced;
        self.no_longer_priced += other.no_longer_priced;
        for more in other.models {
            match self.models.iter_mut().find(|known| known.model == more.model) {
                Some(known) => {
                    let sum = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or(0.0)));
                    known.calls += more.calls;
                    known.cost_before = sum(known.cost_before, more.cost_before);
                    known.cost_after = sum(known.cost_after, more.cost_after);
                    known.prices.extend(more.prices);
                }
                None => self.models.push(more),
            }
        }
    }
}
