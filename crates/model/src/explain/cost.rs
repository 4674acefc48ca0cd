//! How a cost came about, or why there is none.

use serde::Serialize;

use crate::cost::{self, bills_itself};
use crate::money::Usd;
use crate::price::PriceBook;
use crate::span::{CostSource, Span, SpanStatus};

/// How a cost came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostExplanation {
    /// What decided.
    pub because: CostBasis,
    /// The entry of the price table that fits now, with its date where it has one.
    pub price: Option<String>,
    /// The first day of that entry, as `YYYY-MM-DD`.
    pub price_from: Option<String>,
    /// The day up to which the table followed prices.
    pub table_date: String,
    /// The tier of service that the call names.
    pub service_tier: Option<String>,
    /// What tokens times prices make now, in dollars.
    pub computed: Option<f64>,
    /// What the client says.
    pub client: Option<f64>,
    /// What is stored.
    pub total: Option<f64>,
    /// The lines that add up to `computed`.
    pub lines: Vec<CostLine>,
}

/// One bucket of tokens with its price.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostLine {
    /// The bucket, such as `input`, `cache_read`; `request`, `web_search`, `image`, `hour` are no tokens.
    pub bucket: &'static str,
    /// How many; for `hour`, microseconds.
    pub tokens: u64,
    /// The price of a million.
    pub usd_per_million: f64,
    /// What they cost.
    pub amount: f64,
}

/// What decided about a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// Tokens times the price table.
    Computed,
    /// The same, with a table that has changed since.
    ComputedThen,
    /// The provider's own bill.
    ProviderBill,
    /// The client's figure is lower than ours, and it may know of cached tokens that it does not send.
    ClientLower,
    /// The table has no price for the model.
    ClientOnly,
    /// The project takes the client's figures.
    ClientPreferred,
    /// There is none: the call failed before anything was counted.
    Failed,
    /// There is none: nobody said how many tokens there were.
    NoUsage,
    /// There is none: nobody said which model it was.
    NoModel,
    /// There is none: the table has no price for the model.
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
        Some(_) if bills_itself(span) => CostBasis::ProviderBill,
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
