//! Pricing stored calls again, after prices have changed: each with the price that holds now for its day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use hinomi_model::cost;
use hinomi_model::money::Usd;
use hinomi_model::price::PriceBook;
use hinomi_model::reports;
use hinomi_model::span::{Cost, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::query::{Project, QueryError};
use crate::store::{Store, StoreError};

/// Spans that are changed at a time, for which intake waits.
const AT_A_TIME: usize = 500;

/// What pricing stored calls again has changed, or would change. Dollars are of calls that are counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Repriced {
    /// Calls in the range.
    pub calls: u64,
    /// Calls whose cost or price is another now.
    pub changed: u64,
    /// Calls of these that had no cost before.
    pub newly_priced: u64,
    /// Calls of these that have none any more.
    pub no_longer_priced: u64,
    /// What all calls in the range cost before.
    pub cost_before: f64,
    /// What they cost now.
    pub cost_after: f64,
    /// The calls that change, by their model; those that change most first.
    pub models: Vec<RepricedModel>,
}

/// The calls of a model whose cost changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepricedModel {
    /// The model; null for calls that name none.
    pub model: Option<String>,
    /// How many change.
    pub calls: u64,
    /// Null where none of them had a cost.
    pub cost_before: Option<f64>,
    /// Null where none of them has one.
    pub cost_after: Option<f64>,
    /// The prices that hold for them now.
    pub prices: BTreeSet<String>,
}

/// Why it ended early. What was changed before is changed.
#[derive(Debug, thiserror::Error)]
pub enum RepriceError {
    /// Calls could not be read.
    #[error("could not read the calls: {0}")]
    Query(#[from] QueryError),
    /// Calls could not be written.
    #[error("could not write the calls: {0}")]
    Store(#[from] StoreError),
}

/// Sums on the way, exact.
#[derive(Default)]
struct Tally {
    calls: u64,
    changed: u64,
    newly_priced: u64,
    no_longer_priced: u64,
    before: Usd,
    after: Usd,
    models: BTreeMap<Option<String>, OfModel>,
}

#[derive(Default)]
struct OfModel {
    calls: u64,
    before: Option<Usd>,
    after: Option<Usd>,
    prices: BTreeSet<String>,
}

/// How calls of a project are priced.
#[derive(Debug, Clone)]
pub struct Pricing {
    /// The prices that hold for the project.
    pub book: Arc<PriceBook>,
    /// Whether the client's own figure is preferred.
    pub prefer_client: bool,
}

/// Prices the calls of a project that start in `from_us..to_us` again. Without a store nothing is changed, and the answer says what would be.
///
/// # Errors
///
/// When calls cannot be read or written. What was written before stays; doing it again does the rest.
pub async fn reprice(
    calls: &Project,
    project: u64,
    pricing: &Pricing,
    from_us: i64,
    to_us: i64,
    store: Option<&Store>,
) -> Result<Repriced, RepriceError> {
    let mut tally = Tally::default();
    let mut batches = calls.calls(from_us, to_us).await?;
    while let Some(rows) = batches.next().await {
        let mut changed = Vec::new();
        for row in rows? {
            if tally.add(&row.span, pricing.cost(&row.span).as_ref()) {
                changed.push((row.span.trace_id, row.span.span_id));
            }
        }
        for some in changed.chunks(AT_A_TIME) {
            let Some(store) = store else { break };
            let pricing = pricing.clone();
            // Priced as it stands then: more of it may have come since it was read.
            store.revise(project, some.to_vec(), Arc::new(move |span: &mut Span| pricing.apply(span))).await?;
        }
    }
    Ok(tally.answer())
}

impl Pricing {
    /// What a call costs now. Its texts are not asked.
    fn cost(&self, span: &Span) -> Option<Cost> {
        let mut again = span.clone();
        self.apply(&mut again);
        again.cost
    }

    fn apply(&self, span: &mut Span) {
        if reports::took_cost(span) {
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

impl Tally {
    /// Takes a call with its cost of now; true when that is another.
    fn add(&mut self, span: &Span, now: Option<&Cost>) -> bool {
        let total = |cost: Option<&Cost>| cost.map(|cost| cost.total).filter(|_| span.counted);
        let (before, after) = (total(span.cost.as_ref()), total(now));
        self.calls += 1;
        self.before += before.unwrap_or_default();
        self.after += after.unwrap_or_default();
        if span.cost.as_ref() == now {
            return false;
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
        true
    }

    fn answer(self) -> Repriced {
        let difference = |model: &OfModel| (model.after.unwrap_or_default().0 - model.before.unwrap_or_default().0).abs();
        let mut models: Vec<_> = self.models.into_iter().collect();
        models.sort_by_key(|(_, model)| std::cmp::Reverse(difference(model)));
        let model = |(model, of): (Option<String>, OfModel)| RepricedModel {
            model,
            calls: of.calls,
            cost_before: of.before.map(Usd::dollars),
            cost_after: of.after.map(Usd::dollars),
            prices: of.prices,
        };
        Repriced {
            calls: self.calls,
            changed: self.changed,
            newly_priced: self.newly_priced,
            no_longer_priced: self.no_longer_priced,
            cost_before: self.before.dollars(),
            cost_after: self.after.dollars(),
            models: models.into_iter().map(model).collect(),
        }
    }
}

impl Repriced {
    /// Takes what another range has changed.
    pub fn add(&mut self, other: Repriced) {
        self.calls += other.calls;
        self.changed += other.changed;
        self.newly_priced += other.newly_priced;
        self.no_longer_priced += other.no_longer_priced;
        self.cost_before += other.cost_before;
        self.cost_after += other.cost_after;
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
