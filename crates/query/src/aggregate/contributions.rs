//! Who contributes to a figure, in a window and in earlier windows like it.

use std::collections::HashMap;

use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::prelude::{Expr, cast, col, lit, when};
use hinomi_model::money::Usd;

use super::measure::SeriesMeasure;
use super::summary::{cache_writes, is_call, is_failed, is_unpriced};
use crate::error::QueryError;
use crate::filter::{Filter, fields};
use crate::scan::columns::{BatchColumn, time};
use crate::{GroupBy, ProjectSnapshot, ScanMode};

/// About what a key of one row takes in memory.
const BYTES_PER_KEY: usize = 96;

/// What a span adds to a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ContributionWeight {
    /// What the measure of this name adds up.
    Of(SeriesMeasure),
    /// All tokens of a call.
    TotalTokens,
    /// One for a call without a price.
    Unpriced,
    /// One for a use of a tool that failed.
    FailedTool,
    /// One for a call that took longer than so many microseconds.
    Slow(i64),
    /// One for a call whose answer began later than so many microseconds.
    SlowToBegin(i64),
}

/// A window of time that is looked at, and earlier ones like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContributionWindows {
    /// Start and end, in microseconds since the Unix epoch.
    pub from_us: i64,
    /// The end is not included.
    pub to_us: i64,
    /// Of the window that is looked at only what was received after this counts, whenever it began; `None` for all of it.
    pub since_us: Option<i64>,
    /// Of the window that is looked at what was received later does not count; `None` where all of it does.
    pub until_us: Option<i64>,
    /// How far each earlier window lies before the next.
    pub apart_us: i64,
    /// How many of them.
    pub earlier: i64,
}

/// Sums by what spans have in common, for each window: 0 is the one that is looked at, 1 the one before, and so on.
pub type ContributionSums = HashMap<(i64, Vec<Option<String>>), f64>;

impl ProjectSnapshot {
    /// Adds up a weight for each combination of these properties.
    ///
    /// # Errors
    ///
    /// When the filter compares what cannot be compared, or the engine fails.
    pub async fn contributions(
        &self,
        filter: &Filter,
        weight: ContributionWeight,
        windows: ContributionWindows,
        by: &[GroupBy],
    ) -> Result<ContributionSums, QueryError> {
        let ContributionWindows { from_us, to_us, since_us, until_us, apart_us, earlier } = windows;
        let mut spans = self.table(ScanMode::Much, from_us.saturating_sub(earlier * apart_us), to_us)?;
        let window = |number: i64| {
            let back = number * apart_us;
            col("start_time").gt_eq(time(from_us - back)).and(col("start_time").lt(time(to_us - back)))
        };
        let mut latest = window(0);
        if let Some(since_us) = since_us {
            latest = latest.and(col("received_at").gt(time(since_us)));
        }
        if let Some(until_us) = until_us {
            latest = latest.and(col("received_at").gt(time(until_us)).is_not_true());
        }
        let all = std::iter::once(latest).chain((1..=earlier).map(window)).collect();
        if let Some(any) = fields::joined(all, Expr::or) {
            spans = spans.filter(any)?;
        }
        if let Some(condition) = fields::condition(filter)? {
            spans = spans.filter(condition)?;
        }
        let start = cast(col("start_time"), arrow::datatypes::DataType::Int64);
        // Windows of one length do not overlap, so that the distance of a start to the end says which it is in.
        let number = (lit(to_us - 1) - start) / lit(apart_us.max(1));
        let number = number.alias("window");
        let mut keys = vec![number];
        keys.extend(by.iter().enumerate().map(|(index, by)| by.key().alias(format!("key{index}"))));
        let batches = spans.aggregate(keys, vec![sum(value(weight)?).alias("sum")])?.collect().await?;
        let reserved = self.engine.reserve("contributions to a figure");
        let mut sums = ContributionSums::new();
        for batch in &batches {
            reserved.try_grow(batch.num_rows() * by.len() * BYTES_PER_KEY)?;
            let (number, sum) = (BatchColumn::of(batch, "window"), BatchColumn::of(batch, "sum"));
            let columns: Vec<BatchColumn> = (0..by.len()).map(|index| BatchColumn::of(batch, &format!("key{index}"))).collect();
            for row in 0..batch.num_rows() {
                let Some(number) = number.int(row) else { continue };
                let value = sum.usd(row).map(Usd::dollars).or_else(|| sum.float(row)).unwrap_or(0.0);
                *sums.entry((number, columns.iter().map(|column| column.text(row)).collect())).or_default() += value;
            }
        }
        Ok(sums)
    }
}

fn value(weight: ContributionWeight) -> Result<Expr, QueryError> {
    let one = |condition: Expr| Ok(when(condition, lit(1i64)).otherwise(lit(0i64))?);
    let of_calls = |value: Expr| Ok(when(is_call(), value).end()?);
    match weight {
        ContributionWeight::Of(SeriesMeasure::Failed) => one(is_call().and(is_failed())),
        ContributionWeight::Of(SeriesMeasure::Cost) => of_calls(col("cost")),
        ContributionWeight::Of(SeriesMeasure::InputTokens) => of_calls(col("input_tokens")),
        ContributionWeight::Of(SeriesMeasure::OutputTokens) => of_calls(col("output_tokens")),
        ContributionWeight::Of(SeriesMeasure::NewInputTokens) => of_calls(col("usage_input")),
        ContributionWeight::Of(SeriesMeasure::CacheReadTokens) => of_calls(col("usage_cache_read")),
        ContributionWeight::Of(SeriesMeasure::CacheWriteTokens) => of_calls(cache_writes()),
        ContributionWeight::Of(SeriesMeasure::ReasoningTokens) => of_calls(col("usage_reasoning")),
        ContributionWeight::Of(SeriesMeasure::Spans) => one(lit(true)),
        ContributionWeight::Of(_) => one(is_call()),
        ContributionWeight::TotalTokens => of_calls(col("total_tokens")),
        ContributionWeight::Unpriced => one(is_unpriced()),
        ContributionWeight::FailedTool => one(col("kind").eq(lit("tool")).and(is_failed())),
        ContributionWeight::Slow(us) => one(is_call().and(col("duration_us").gt(lit(us)))),
        ContributionWeight::SlowToBegin(us) => one(is_call().and(col("time_to_first_token_us").gt(lit(us)))),
    }
}
