//! Multiplying tokens by prices, in whole steps of money.

use super::Call;
use super::entry::{Entry, Prices, Rate};
use crate::money::Usd;
use crate::span::{Cost, CostSource, Usage};

/// A call with its price, bucket by bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Priced {
    /// The sum of the lines.
    pub cost: Cost,
    /// One line for each bucket with tokens in it.
    pub lines: Vec<PricedBucket>,
    /// The entry of the table: `provider:model`, `+tier` where a tier of service has its own prices, `@date` where the entry has a start date.
    pub price_id: String,
    /// The first day of the entry, as `YYYY-MM-DD`.
    pub from_date: Option<String>,
}

/// The part of a cost that one bucket of usage makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedBucket {
    /// The bucket, by its name in [`Usage`], or `request`.
    pub bucket: &'static str,
    /// How many tokens; for `request`, how many requests.
    pub tokens: u64,
    /// The price of a million of them.
    pub usd_per_million: Usd,
    /// What they cost.
    pub amount: Usd,
}

/// Prices a call by an entry.
///
/// Where a bucket has no price of its own, the nearest wider one stands for it, so that tokens are never free by omission: cache reads,
/// cache writes and sound cost as plain input, reasoning and sound as plain output, an hour's cache write as one of five minutes. An
/// entry without any output price is one of embeddings or ranking: what comes out is not charged.
pub(super) fn bill(provider: &str, entry: &Entry, call: &Call) -> Option<Priced> {
    let quote = entry.quote(call.at_us, call.service_tier)?;
    let prices = &quote.prices;
    let usage = call.usage;
    if usage.input.is_none() || (usage.output.is_none() && prices.output.is_some()) {
        return None;
    }

    let all_input = usage.input_tokens().unwrap_or(0);
    let line = |(bucket, tokens, rate): (&'static str, Option<u64>, Option<&Rate>)| {
        let tokens = tokens.filter(|tokens| *tokens > 0)?;
        Some(PricedBucket::new(bucket, tokens, rate?.at(all_input)))
    };
    let input: Vec<PricedBucket> = input_rates(prices, usage).into_iter().filter_map(line).collect();
    let output: Vec<PricedBucket> = output_rates(prices, usage).into_iter().filter_map(line).collect();
    let request = prices.request.as_ref().map(|rate| PricedBucket::request(rate.at(all_input)));

    let sum = |lines: &[PricedBucket]| lines.iter().map(|line| line.amount).sum::<Usd>();
    let (input_cost, output_cost) = (sum(&input), sum(&output));
    let lines: Vec<PricedBucket> = input.into_iter().chain(output).chain(request).collect();

    let from_date = prices.from.map(|date| date.to_string());
    let tier = quote.tier.map_or_else(String::new, |tier| format!("+{tier}"));
    let since = from_date.as_ref().map_or_else(String::new, |date| format!("@{date}"));
    let price_id = format!("{provider}:{}{tier}{since}", entry.id);
    let cost = Cost {
        total: sum(&lines),
        input: Some(input_cost),
        output: Some(output_cost),
        source: CostSource::Computed,
        price: Some(price_id.clone()),
    };
    Some(Priced { cost, lines, price_id, from_date })
}

type Bucket<'a> = (&'static str, Option<u64>, Option<&'a Rate>);

fn input_rates<'a>(prices: &'a Prices, usage: &Usage) -> [Bucket<'a>; 5] {
    let plain = prices.input.as_ref();
    let read = prices.cache_read.as_ref().or(plain);
    let write_5m = prices.cache_write_5m.as_ref().or(prices.cache_write.as_ref()).or(plain);
    let write_1h = prices.cache_write_1h.as_ref().or(write_5m);
    let audio = prices.input_audio.as_ref().or(plain);
    [
        ("input", usage.input, plain),
        ("cache_read", usage.cache_read, read),
        ("cache_write_5m", usage.cache_write_5m, write_5m),
        ("cache_write_1h", usage.cache_write_1h, write_1h),
        ("input_audio", usage.input_audio, audio),
    ]
}

fn output_rates<'a>(prices: &'a Prices, usage: &Usage) -> [Bucket<'a>; 3] {
    let plain = prices.output.as_ref();
    [
        ("output", usage.output, plain),
        ("reasoning", usage.reasoning, prices.reasoning.as_ref().or(plain)),
        ("output_audio", usage.output_audio, prices.output_audio.as_ref().or(plain)),
    ]
}

impl PricedBucket {
    fn new(bucket: &'static str, tokens: u64, usd_per_million: Usd) -> PricedBucket {
        PricedBucket { bucket, tokens, usd_per_million, amount: times(tokens, usd_per_million, 1_000_000) }
    }

    /// Requests are priced by the thousand.
    fn request(usd_per_thousand: Usd) -> PricedBucket {
        let usd_per_million = Usd(usd_per_thousand.0.saturating_mul(1_000));
        PricedBucket::new("request", 1, usd_per_million)
    }
}

/// `count` things at a price for so many of them, rounded once to the nearest step; saturates.
fn times(count: u64, price: Usd, for_so_many: u128) -> Usd {
    let price = u128::from(price.0.unsigned_abs());
    // Both factors have 64 bits, so the product fits.
    let steps = (u128::from(count) * price + for_so_many / 2) / for_so_many;
    Usd(i64::try_from(steps).unwrap_or(i64::MAX))
}
