//! How a cost was determined, or why there is no cost.

use serde::Serialize;
use utoipa::ToSchema;

use crate::cost::{self, is_provider_bill};
use crate::money::Usd;
use crate::price::{PriceBook, PriceBucket};
use crate::span::{CostSource, Span, SpanStatus};

/// How a cost was determined.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CostExplanation {
    /// What the cost is based on, or why there is no cost.
    pub because: CostBasis,
    /// Identifier of the price that currently applies to the call, with its date if it has one; null without a price.
    #[schema(required)]
    pub price: Option<String>,
    /// First day on which that price applies, `YYYY-MM-DD`; null if it has no start.
    #[schema(required)]
    pub price_from: Option<String>,
    /// Day up to which the price table is maintained.
    pub table_date: String,
    /// Service tier of the call; null if unknown.
    #[schema(required)]
    pub service_tier: Option<String>,
    /// Cost according to token usage and current prices, in US dollars; null if it cannot be computed.
    #[schema(required)]
    pub computed: Option<f64>,
    /// Cost that the client reported, in US dollars; null if it reported none.
    #[schema(required)]
    pub client: Option<f64>,
    /// Stored cost in US dollars; null if it is unknown.
    #[schema(required)]
    pub total: Option<f64>,
    /// Lines by bucket, which add up to `computed`.
    pub lines: Vec<CostLine>,
}

/// One bucket of a computed cost.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = CostBucket)]
pub struct CostLine {
    /// `input`, `cache_read`, `output` and other token buckets; `request`, `web_search`, `image` and `hour` are units other than tokens.
    #[schema(value_type = PriceBucket)]
    pub bucket: &'static str,
    /// Number of units; microseconds for `hour`.
    pub tokens: u64,
    /// Price of a million units in US dollars.
    pub usd_per_million: f64,
    /// Cost of the bucket in US dollars.
    pub amount: f64,
}

/// What a cost is based on, or why there is no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// Token usage and the current prices.
    Computed,
    /// Token usage and prices that have changed since.
    ComputedThen,
    /// The amount that the provider billed.
    ProviderBill,
    /// The client's cost, which is lower than the computed cost: the client may know of cached tokens that it does not report.
    ClientLower,
    /// The client's cost, because the model has no price.
    ClientOnly,
    /// The client's cost, because the project prefers it.
    ClientPreferred,
    /// No cost: the call failed before it reported token usage.
    Failed,
    /// No cost: the call reports no token usage.
    NoUsage,
    /// No cost: the call names no model.
    NoModel,
    /// No cost: the model has no price.
    NoPrice,
}

pub(super) fn reading(span: &Span, book: &PriceBook) -> CostExplanation {
    let service_tier = cost::service_tier(&span.attributes);
    let priced = book.explain(&cost::call(span, service_tier.as_deref()));
    let computed = priced.as_ref().map(|priced| priced.cost.total);
    let client = span.client_cost.filter(|cost| *cost > Usd::ZERO);
    let reads_known = span.usage.cache_read.is_some_and(|reads| reads > 0);
    let because = match &span.cost {
        Some(cost) if cost.source == CostSource::Computed && computed == Some(cost.total) => CostBasis::Computed,
        Some(cost) if cost.source == CostSource::Computed => CostBasis::ComputedThen,
        Some(_) if is_provider_bill(span) => CostBasis::ProviderBill,
        Some(_) if computed.is_none() => CostBasis::ClientOnly,
        Some(_) if !reads_known && client < computed => CostBasis::ClientLower,
        Some(_) => CostBasis::ClientPreferred,
        None if span.usage.is_unknown() && span.status != SpanStatus::Ok => CostBasis::Failed,
        None if span.usage.is_unknown() => CostBasis::NoUsage,
        None if span.model().is_none() => CostBasis::NoModel,
        None => CostBasis::NoPrice,
    };
    let lines = priced.iter().flat_map(|priced| &priced.lines).map(|line| CostLine {
        bucket: line.bucket.as_str(),
        tokens: line.count,
        usd_per_million: line.usd_per_million(),
        amount: line.amount.dollars(),
    });
    CostExplanation {
        because,
        lines: lines.collect(),
        price: priced.as_ref().map(|priced| priced.price_id.clone()),
        price_from: priced.as_ref().and_then(|priced| priced.from_date.clone()),
        table_date: book.table().date().to_owned(),
        service_tier,
        computed: computed.map(Usd::dollars),
        client: span.client_cost.map(Usd::dollars),
        total: span.cost.as_ref().map(|cost| cost.total.dollars()),
    }
}
