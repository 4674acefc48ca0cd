//! Multiplying what a call took by prices, in whole steps of money.

use super::BillableCall;
use super::bucket::{BucketPrices, PriceBucket};
use crate::money::Usd;
use crate::span::{Cost, CostSource};

/// A call with its price, bucket by bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct PricedCall {
    /// The sum of the lines.
    pub cost: Cost,
    /// One line for each bucket with something in it.
    pub lines: Vec<PricedBucket>,
    /// The entry: `provider:model` of the table or `own:model`, `+tier` where it is that of a tier of service, `@date` where it has a
    /// start date.
    pub price_id: String,
    /// The first day of the entry, as `YYYY-MM-DD`.
    pub from_date: Option<String>,
    /// True for a price that the owner has set.
    pub own: bool,
}

/// The part of a cost that one bucket makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedBucket {
    /// What it is for.
    pub bucket: PriceBucket,
    /// How many tokens, requests, searches or pictures; for [`PriceBucket::Hour`], microseconds.
    pub count: u64,
    /// The price of one [`unit`](PriceBucket::unit) of them.
    pub price: Usd,
    /// What they cost.
    pub amount: Usd,
}

/// Where prices are from.
pub(super) struct PriceOrigin {
    /// `openai:gpt-4o`, `own:my-model`.
    pub(super) name: String,
    pub(super) tier: Option<String>,
    pub(super) from: Option<jiff::civil::Date>,
    pub(super) own: bool,
}

/// Prices a call.
///
/// Where a bucket has no price of its own, the nearest wider one stands for it, so that tokens are never free by omission: cache reads,
/// cache writes, sound and pictures cost as plain input, reasoning, sound and pictures as plain output, an hour's cache write as one of
/// five minutes. An entry without any output price is one of embeddings or ranking: what comes out is not charged. `None` where a
/// price would multiply a count that is not known.
pub(super) fn bill(origin: PriceOrigin, rates: &BucketPrices, call: &BillableCall) -> Option<PricedCall> {
    let usage = call.usage;
    let has = |bucket| rates.own(bucket).is_some();
    let (tokens_in, tokens_out) = (usage.input.is_some(), usage.output.is_some());
    if (has(PriceBucket::Input) && !tokens_in) || (has(PriceBucket::Output) && !tokens_out) {
        return None;
    }
    let all_input = usage.input_tokens().unwrap_or(0);
    let count = |bucket| match bucket {
        // A request that failed before it took anything is not charged.
        PriceBucket::Request => (tokens_in || !call.failed).then_some(1),
        PriceBucket::Hour => u64::try_from(call.duration_us).ok(),
        bucket => bucket.of(usage),
    };
    let line = |bucket: PriceBucket| {
        let rate = rates.rate(bucket)?;
        let count = count(bucket).filter(|count| *count > 0)?;
        Some(PricedBucket::new(bucket, count, rate.at(all_input)))
    };
    let lines: Vec<PricedBucket> = PriceBucket::ALL.iter().copied().filter_map(line).collect();
    // Known to have taken nothing is free; with nothing known, there is nothing to multiply.
    if lines.is_empty() && !(has(PriceBucket::Input) && tokens_in) {
        return None;
    }

    let sum = |input: bool| lines.iter().filter(|line| line.bucket.is_input() == Some(input)).map(|line| line.amount).sum::<Usd>();
    let from_date = origin.from.map(|date| date.to_string());
    let tier = origin.tier.map_or_else(String::new, |tier| format!("+{tier}"));
    let since = from_date.as_ref().map_or_else(String::new, |date| format!("@{date}"));
    let price_id = format!("{}{tier}{since}", origin.name);
    let cost = Cost {
        total: lines.iter().map(|line| line.amount).sum(),
        input: Some(sum(true)),
        output: Some(sum(false)),
        source: CostSource::Computed,
        price: Some(price_id.clone()),
    };
    Some(PricedCall { cost, lines, price_id, from_date, own: origin.own })
}

impl PricedBucket {
    fn new(bucket: PriceBucket, count: u64, price: Usd) -> PricedBucket {
        PricedBucket { bucket, count, price, amount: times(count, price, bucket.unit().count()) }
    }

    /// Dollars for a million of what is counted.
    pub fn usd_per_million(&self) -> f64 {
        match self.bucket.unit() {
            super::PriceUnit::MillionTokens => self.price.dollars(),
            unit => self.price.dollars() * 1e6 / unit.count() as f64,
        }
    }
}

/// `count` things at a price for so many of them, rounded once to the nearest step; saturates.
fn times(count: u64, price: Usd, for_so_many: u64) -> Usd {
    let (price, for_so_many) = (u128::from(price.0.unsigned_abs()), u128::from(for_so_many));
    // Both factors have 64 bits, so the product fits.
    let steps = (u128::from(count) * price + for_so_many / 2) / for_so_many;
    Usd(i64::try_from(steps).unwrap_or(i64::MAX))
}
