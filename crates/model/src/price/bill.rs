//! Multiplies usage by prices, in whole units of money.

use super::BillableCall;
use super::bucket::{BucketPrices, PriceBucket};
use crate::money::Usd;
use crate::span::{Cost, CostSource};

/// A priced call with the cost of each bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct PricedCall {
    /// Sum of the lines.
    pub cost: Cost,
    /// One line for each non-empty bucket.
    pub lines: Vec<PricedBucket>,
    /// ID of the price: `provider:model` for the price table or `own:model` for a custom price, with `+tier` for the price of a service
    /// tier and `@date` if it has a start date.
    pub price_id: String,
    /// First day of the price, `YYYY-MM-DD`.
    pub from_date: Option<String>,
    /// True for a custom price.
    pub is_custom: bool,
}

/// Cost of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedBucket {
    /// The bucket.
    pub bucket: PriceBucket,
    /// Number of tokens or other units; microseconds for [`PriceBucket::Hour`], milliseconds for [`PriceBucket::AudioHour`].
    pub count: u64,
    /// Price of one [`unit`](PriceBucket::unit).
    pub price: Usd,
    /// Cost of the bucket.
    pub amount: Usd,
}

/// Origin of the prices.
pub(super) struct PriceOrigin {
    /// Name of the price without tier and date: `openai:gpt-4o`, `own:my-model`.
    pub(super) name: String,
    pub(super) tier: Option<String>,
    pub(super) from: Option<jiff::civil::Date>,
    pub(super) is_custom: bool,
}

/// Prices a call.
///
/// A bucket without its own price has the price of the nearest wider bucket, so that no token is free because a price is missing:
///
/// - cache reads, cache writes, audio input and image input have the price of plain input;
/// - reasoning, audio output and image output have the price of plain output;
/// - a cache write for an hour has the price of a cache write for five minutes.
///
/// An entry without any output price is for embeddings or reranking; output is then free. Returns `None` if a price would multiply an
/// unknown count.
pub(super) fn bill(origin: PriceOrigin, rates: &BucketPrices, call: &BillableCall) -> Option<PricedCall> {
    let usage = call.usage;
    let has = |bucket| rates.price_of(bucket).is_some();
    let (tokens_in, tokens_out) = (usage.input.is_some(), usage.output.is_some());
    let has_unknown_count = (has(PriceBucket::Input) && !tokens_in)
        || (has(PriceBucket::Output) && !tokens_out)
        || (has(PriceBucket::Hour) && call.duration_us.is_none());
    if has_unknown_count {
        return None;
    }
    let all_input = usage.input_tokens().unwrap_or(0);
    let count = |bucket| match bucket {
        // A request that failed before it used any tokens is not charged.
        PriceBucket::Request => (tokens_in || !call.failed).then_some(1),
        PriceBucket::Hour => call.duration_us.and_then(|us| u64::try_from(us).ok()),
        bucket => bucket.of(usage),
    };
    let line = |bucket: PriceBucket| {
        let rate = rates.rate(bucket)?;
        let count = count(bucket).filter(|count| *count > 0)?;
        Some(PricedBucket::new(bucket, count, rate.price_at(all_input)))
    };
    let lines: Vec<PricedBucket> = PriceBucket::ALL.iter().copied().filter_map(line).collect();
    // A call that is known to have used nothing is free. Without any known count, there is nothing to multiply.
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
    Some(PricedCall { cost, lines, price_id, from_date, is_custom: origin.is_custom })
}

impl PricedBucket {
    fn new(bucket: PriceBucket, count: u64, price: Usd) -> PricedBucket {
        PricedBucket { bucket, count, price, amount: multiply(count, price, bucket.unit().count()) }
    }

    /// Returns the price of a million units in US dollars.
    pub fn usd_per_million(&self) -> f64 {
        match self.bucket.unit() {
            super::PriceUnit::MillionTokens | super::PriceUnit::MillionCharacters => self.price.dollars(),
            unit => self.price.dollars() * 1e6 / unit.count() as f64,
        }
    }
}

/// Multiplies a count by a price for `unit_count` units, rounded once to the nearest unit of money; saturates.
fn multiply(count: u64, price: Usd, unit_count: u64) -> Usd {
    let (price, unit_count) = (u128::from(price.0.unsigned_abs()), u128::from(unit_count));
    // Both factors have 64 bits, so the product fits.
    let steps = (u128::from(count) * price + unit_count / 2) / unit_count;
    Usd(i64::try_from(steps).unwrap_or(i64::MAX))
}
