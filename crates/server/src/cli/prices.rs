//! `hinomi prices`: updates the price table and explains the price of a call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hinomi_model::api_time::rfc3339;
use hinomi_model::price::{BillableCall, PriceBook, PriceBucket, PriceTable, PriceUnit, PricedBucket, PricedCall, import};
use hinomi_model::span::Usage;
use hinomi_tables::metadata::MetadataStore;
use hinomi_tables::prices::{ActivePrices, table_path};
use serde_json::Value;

use super::{CommonArguments, effective_config, open_existing, print_line, running_server, time};
use crate::app::write_atomically;
use crate::config;

/// Number of input and of output tokens for a call whose counts are not given. It is below the long-context threshold of each model.
const DEFAULT_TOKENS: u64 = 1_000;
/// Tokens of a call to which the long-context price applies, if the model has one.
const LONG_CONTEXT_TOKENS: u64 = 1_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum PricesCommand {
    /// Install a newer price table: Hinomi's own format, or genai-prices' prices/new_data/v2/data.json
    Update {
        #[command(flatten)]
        common: CommonArguments,
        /// JSON file with the price table
        file: PathBuf,
    },
    /// Show the price of a call, its source and the calculation
    Check(Box<PriceCheckCommand>),
}

impl PricesCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            PricesCommand::Update { common, file } => {
                let config = effective_config(&common, None)?;
                open_existing(&config)?;
                update(&config.data, &file)
            }
            PricesCommand::Check(check) => check.run(),
        }
    }
}

fn update(data: &Path, file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let now = rfc3339(jiff::Timestamp::now().as_microsecond());
    let imported = import(&text, now.get(..10).unwrap_or_default()).with_context(|| format!("cannot use {}", file.display()))?;
    let embedded = PriceBook::embedded().table();
    if imported.table.date() < embedded.date() {
        bail!(
            "{} is from {}, older than the built-in price table ({}), and was not installed",
            file.display(),
            imported.table.date(),
            embedded.date()
        );
    }
    let path = table_path(data);
    let before = std::fs::read_to_string(&path).unwrap_or_else(|_| PriceTable::embedded_text().to_owned());
    let changes = PriceTableDiff::compare(&before, &imported.text);
    write_atomically(&path, &imported.text).with_context(|| format!("cannot write {}", path.display()))?;
    print_line(&format!("installed {} models as of {} in {}", imported.models, imported.table.date(), path.display()))?;
    print_line(&format!("{} new, {} changed, {} removed", changes.new.len(), changes.changed.len(), changes.removed.len()))?;
    for (word, names) in [("new", &changes.new), ("changed", &changes.changed), ("removed", &changes.removed)] {
        const MAX_PRINTED_MODELS: usize = 10;
        names.iter().take(MAX_PRINTED_MODELS).try_for_each(|name| print_line(&format!("  {word}  {name}")))?;
        if names.len() > MAX_PRINTED_MODELS {
            print_line(&format!("  and {} more {word}", names.len() - MAX_PRINTED_MODELS))?;
        }
    }
    if !imported.left_out.is_empty() {
        print_line(&format!(
            "{} models were skipped: their provider does not sell them, or rules for their names are not supported",
            imported.left_out.len()
        ))?;
    }
    print_line("A running server loads the new table within seconds. `hinomi reprice` recalculates the cost of stored calls.")
}

/// Differences between two price tables, as names `provider:model`.
struct PriceTableDiff {
    new: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl PriceTableDiff {
    fn compare(before: &str, after: &str) -> PriceTableDiff {
        let (before, after) = (prices_by_model(before), prices_by_model(after));
        let is_new = |name: &&String| !before.contains_key(*name);
        let is_gone = |name: &&String| !after.contains_key(*name);
        let is_changed = |(name, prices): &(&String, &(Value, Value))| before.get(*name).is_some_and(|old| old != *prices);
        PriceTableDiff {
            new: after.keys().filter(is_new).cloned().collect(),
            changed: after.iter().filter(is_changed).map(|(name, _)| name.clone()).collect(),
            removed: before.keys().filter(is_gone).cloned().collect(),
        }
    }
}

/// Returns the prices and variants of each model of a table.
fn prices_by_model(table: &str) -> BTreeMap<String, (Value, Value)> {
    let table: Value = serde_json::from_str(table).unwrap_or_default();
    let mut prices = BTreeMap::new();
    for provider in table["providers"].as_array().into_iter().flatten() {
        for model in provider["models"].as_array().into_iter().flatten() {
            let name = format!("{}:{}", provider["id"].as_str().unwrap_or_default(), model["id"].as_str().unwrap_or_default());
            prices.insert(name, (model["prices"].clone(), model["variants"].clone()));
        }
    }
    prices
}

#[derive(Debug, Args)]
pub(super) struct PriceCheckCommand {
    #[command(flatten)]
    common: CommonArguments,
    /// Model name as the client sends it
    model: String,
    /// Provider of the model [default: any]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Project whose custom prices apply first
    #[arg(long, value_name = "N", default_value_t = 1)]
    project: u64,
    /// Time of the call: RFC 3339, YYYY-MM-DD, or relative such as -7d [default: now]
    #[arg(long, value_name = "TIME", value_parser = time, allow_hyphen_values = true)]
    at: Option<i64>,
    /// Service tier, such as batch, flex or priority
    #[arg(long, value_name = "NAME")]
    tier: Option<String>,
    /// Input tokens [default if no counts are given: 1,000 input and 1,000 output]
    #[arg(long, value_name = "N")]
    input: Option<u64>,
    /// Cache read tokens
    #[arg(long, value_name = "N")]
    cache_read: Option<u64>,
    /// Cache write tokens (5 minutes)
    #[arg(long, value_name = "N")]
    cache_write: Option<u64>,
    /// Cache write tokens (1 hour)
    #[arg(long, value_name = "N")]
    cache_write_1h: Option<u64>,
    /// Audio input tokens
    #[arg(long, value_name = "N")]
    input_audio: Option<u64>,
    /// Image input tokens
    #[arg(long, value_name = "N")]
    input_image: Option<u64>,
    /// Output tokens
    #[arg(long, value_name = "N")]
    output: Option<u64>,
    /// Reasoning tokens
    #[arg(long, value_name = "N")]
    reasoning: Option<u64>,
    /// Audio output tokens
    #[arg(long, value_name = "N")]
    output_audio: Option<u64>,
    /// Image output tokens
    #[arg(long, value_name = "N")]
    output_image: Option<u64>,
    /// Web searches
    #[arg(long, value_name = "N")]
    web_searches: Option<u64>,
    /// Generated images
    #[arg(long, value_name = "N")]
    images: Option<u64>,
    /// Units of a reranking
    #[arg(long, value_name = "N")]
    rerank_units: Option<u64>,
    /// Characters that are spoken or read aloud
    #[arg(long, value_name = "N")]
    characters: Option<u64>,
    /// Duration of the audio in seconds
    #[arg(long, value_name = "S")]
    audio_seconds: Option<f64>,
    /// Duration of the call in seconds, for models that are priced by the hour
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    seconds: f64,
}

impl PriceCheckCommand {
    fn run(self) -> anyhow::Result<()> {
        let config = effective_config(&self.common, None)?;
        // A running server may use another file of custom prices.
        let running = running_server::configuration(&config.data).and_then(|text| config::parse(&text).ok());
        let own = running.as_ref().map_or(&config.prices, |running| &running.prices);
        // Without a data directory, only the built-in table and the price file apply.
        let meta = if config.data.exists() { open_existing(&config)? } else { MetadataStore::open_in_memory()? };
        let prices = ActivePrices::open(Arc::new(meta), &config.data, own);
        if let [first, ..] = &prices.problems()[..] {
            bail!("{first}");
        }
        let book = prices.book_of(self.project);
        let at_us = self.at.unwrap_or_else(|| jiff::Timestamp::now().as_microsecond());
        let (counted, usage) = (self.has_counts(), self.usage(DEFAULT_TOKENS));
        let call = self.call(&usage, at_us);
        match (book.explain(&call), book.price_id(&call)) {
            (Some(priced), _) => {
                print_price(&priced, book.table())?;
                let long = self.usage(LONG_CONTEXT_TOKENS);
                let longer = book.explain(&self.call(&long, at_us)).filter(|_| !counted);
                match longer.and_then(|longer| Some((input_price(&priced)?, input_price(&longer)?))) {
                    Some((ordinary, longer)) if ordinary != longer => print_line(&format!(
                        "  long context: {}/M for a call with {LONG_CONTEXT_TOKENS} input tokens; set your number with --input",
                        dollars(longer)
                    )),
                    _ => Ok(()),
                }
            }
            (None, Some(id)) => bail!("price {id} applies to {} but does not cover these counts", self.model),
            (None, None) => bail!(
                "no price for {}; add a custom price on the settings page, with POST /api/v1/projects/{}/prices, or in a file (`prices`)",
                self.model,
                self.project
            ),
        }
    }

    fn call<'a>(&'a self, usage: &'a Usage, at_us: i64) -> BillableCall<'a> {
        BillableCall {
            provider: self.provider.as_deref(),
            response_model: Some(&self.model),
            request_model: None,
            usage,
            at_us,
            duration_us: Some((self.seconds * 1e6).round() as i64),
            service_tier: self.tier.as_deref(),
            failed: false,
        }
    }

    /// Returns whether any count is given.
    fn has_counts(&self) -> bool {
        let usage = self.to_usage();
        PriceBucket::ALL.iter().any(|bucket| bucket.of(&usage).is_some())
    }

    /// Returns the given counts. If no counts are given, input and output are `tokens`.
    fn usage(&self, tokens: u64) -> Usage {
        let mut usage = self.to_usage();
        // If one count is given, the others are 0.
        let others = if self.has_counts() { 0 } else { tokens };
        usage.input = usage.input.or(Some(others));
        usage.output = usage.output.or(Some(others));
        usage
    }

    fn to_usage(&self) -> Usage {
        Usage {
            input: self.input,
            cache_read: self.cache_read,
            cache_write_5m: self.cache_write,
            cache_write_1h: self.cache_write_1h,
            input_audio: self.input_audio,
            input_image: self.input_image,
            output: self.output,
            reasoning: self.reasoning,
            output_audio: self.output_audio,
            output_image: self.output_image,
            web_searches: self.web_searches,
            images: self.images,
            rerank_units: self.rerank_units,
            characters: self.characters,
            audio_ms: self.audio_seconds.map(|seconds| (seconds.max(0.0) * 1e3).round() as u64),
            ..Usage::default()
        }
    }
}

/// Returns the price of a million input tokens, in dollars.
fn input_price(priced: &PricedCall) -> Option<f64> {
    priced.lines.iter().find(|line| line.bucket == PriceBucket::Input).map(|line| line.price.dollars())
}

fn print_price(priced: &PricedCall, table: &PriceTable) -> anyhow::Result<()> {
    let source = if priced.is_custom { "custom price".to_owned() } else { format!("price table as of {}", table.date()) };
    print_line(&format!("{}  ({source})", priced.price_id))?;
    let lines: Vec<[String; 3]> = priced.lines.iter().map(arithmetic).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(5);
    for [what, times, amount] in &lines {
        print_line(&format!("  {what:<w0$}  {times:>w1$} = {amount:>w2$}", w0 = width(0), w1 = width(1), w2 = width(2)))?;
    }
    print_line(&format!("  {:<w$}  {}", "total", dollars(priced.cost.total.dollars()), w = width(0)))
}

/// Returns the bucket, the count times the price, and the amount.
fn arithmetic(line: &PricedBucket) -> [String; 3] {
    let per = match line.bucket.unit() {
        PriceUnit::MillionTokens => format!("{} × {}/M", line.count, dollars(line.price.dollars())),
        PriceUnit::MillionCharacters => format!("{} characters × {}/M", line.count, dollars(line.price.dollars())),
        PriceUnit::AudioHour => format!("{} s of audio × {}/h", line.count as f64 / 1e3, dollars(line.price.dollars())),
        PriceUnit::Thousand => format!("{} × {}", line.count, dollars(line.price.dollars() / 1_000.0)),
        PriceUnit::Hour => format!("{} s × {}/h", line.count as f64 / 1e6, dollars(line.price.dollars())),
    };
    [line.bucket.to_string(), per, dollars(line.amount.dollars())]
}

/// Formats an amount in dollars exactly, with at least two decimals.
pub(super) fn dollars(amount: f64) -> String {
    let text = format!("{amount:.12}");
    let short = text.trim_end_matches('0');
    let decimals = short.len() - short.find('.').map_or(short.len(), |point| point + 1);
    format!("${short}{}", "0".repeat(2_usize.saturating_sub(decimals)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        assert_eq!(dollars(3.0), "$3.00");
        assert_eq!(dollars(0.0003385), "$0.0003385");
        assert_eq!(dollars(0.0), "$0.00");
    }

    #[test]
    fn price_table_changes_are_listed() {
        let table = |models: &str| format!(r#"{{"providers":[{{"id":"p","models":[{models}]}}]}}"#);
        let before = table(r#"{"id":"a","prices":[{"in":1}]},{"id":"b","prices":[{"in":1}]}"#);
        let after = table(r#"{"id":"b","prices":[{"in":2}]},{"id":"c","prices":[{"in":1}]}"#);
        let changes = PriceTableDiff::compare(&before, &after);
        assert_eq!(
            (changes.new, changes.changed, changes.removed),
            (vec!["p:c".to_owned()], vec!["p:b".to_owned()], vec!["p:a".to_owned()])
        );
    }
}
