//! Contributions to a metric, in a time window and in earlier windows of the same length.

use std::collections::HashMap;

use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::prelude::{Expr, cast, col, lit, when};
use hinomi_model::money::Usd;

use super::measure::SeriesMeasure;
use super::summary::{cache_writes, is_call, is_counted, is_failed, is_unpriced};
use crate::error::QueryError;
use crate::filter::{Filter, fields};
use crate::scan::columns::{BatchColumn, time};
use crate::{GroupBy, ProjectSnapshot, ScanMode};

/// Approximate memory of a key of one row, in bytes.
const BYTES_PER_KEY: usize = 96;

/// Amount that a span contributes to a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ContributionWeight {
    /// The value that the series measure sums.
    SeriesTotal(SeriesMeasure),
    /// Total tokens of a call.
    TotalTokens,
    /// 1 for an unpriced call, 0 for other spans.
    Unpriced,
    /// 1 for a failed tool call, 0 for other spans.
    FailedTool,
    /// 1 for a call that took longer than this many microseconds, 0 for other spans.
    Slow(i64),
    /// 1 for a call whose first token took longer than this many microseconds, 0 for other spans.
    SlowFirstToken(i64),
}

/// A time window and earlier windows of the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContributionWindows {
    /// Start of the window, in microseconds since the Unix epoch, inclusive.
    pub from_us: i64,
    /// End of the window, in microseconds since the Unix epoch, exclusive.
    pub to_us: i64,
    /// If set, a span of the latest window is counted only if it was received after this time, regardless of its start.
    pub since_us: Option<i64>,
    /// If set, a span of the latest window is counted only if it was received at this time or earlier.
    pub until_us: Option<i64>,
    /// Distance between the starts of adjacent windows, in microseconds.
    pub interval_us: i64,
    /// Number of earlier windows.
    pub earlier_windows: i64,
}

/// Sums by window and property values. Window 0 is the latest window, and window 1 is the window before it.
pub type ContributionSums = HashMap<(i64, Vec<Option<String>>), f64>;

impl ProjectSnapshot {
    /// Sums a weight for each window and combination of property values.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter compares values that cannot be compared, the query engine fails, or the sums need more memory than
    /// allowed.
    pub async fn contributions(
        &self,
        filter: &Filter,
        weight: ContributionWeight,
        windows: ContributionWindows,
        by: &[GroupBy],
    ) -> Result<ContributionSums, QueryError> {
        let ContributionWindows { from_us, to_us, since_us, until_us, interval_us, earlier_windows } = windows;
        let mut spans = self.table(ScanMode::MostRows, from_us.saturating_sub(earlier_windows * interval_us), to_us)?;
        let window = |number: i64| {
            let back = number * interval_us;
            col("start_time").gt_eq(time(from_us - back)).and(col("start_time").lt(time(to_us - back)))
        };
        let mut latest = window(0);
        if let Some(since_us) = since_us {
            latest = latest.and(col("received_at").gt(time(since_us)));
        }
        if let Some(until_us) = until_us {
            latest = latest.and(col("received_at").gt(time(until_us)).is_not_true());
        }
        let all = std::iter::once(latest).chain((1..=earlier_windows).map(window)).collect();
        if let Some(any) = fields::join_balanced(all, Expr::or) {
            spans = spans.filter(any)?;
        }
        if let Some(condition) = fields::condition(filter)? {
            spans = spans.filter(condition)?;
        }
        let start = cast(col("start_time"), arrow::datatypes::DataType::Int64);
        // Windows of the same length do not overlap, so the distance of a start from the end gives its window.
        let number = (lit(to_us - 1) - start) / lit(interval_us.max(1));
        let number = number.alias("window");
        let mut keys = vec![number];
        keys.extend(by.iter().enumerate().map(|(index, by)| by.key_expression().alias(format!("key{index}"))));
        let batches = spans.aggregate(keys, vec![sum(weight_expression(weight)?).alias("sum")])?.collect().await?;
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

fn weight_expression(weight: ContributionWeight) -> Result<Expr, QueryError> {
    let one = |condition: Expr| Ok(when(condition, lit(1i64)).otherwise(lit(0i64))?);
    let of_counted = |value: Expr| Ok(when(is_counted(), value).end()?);
    match weight {
        ContributionWeight::SeriesTotal(SeriesMeasure::Failed) => one(is_call().and(is_failed())),
        ContributionWeight::SeriesTotal(SeriesMeasure::Cost) => of_counted(col("cost")),
        ContributionWeight::SeriesTotal(SeriesMeasure::InputTokens) => of_counted(col("input_tokens")),
        ContributionWeight::SeriesTotal(SeriesMeasure::OutputTokens) => of_counted(col("output_tokens")),
        ContributionWeight::SeriesTotal(SeriesMeasure::NewInputTokens) => of_counted(col("usage_input")),
        ContributionWeight::SeriesTotal(SeriesMeasure::CacheReadTokens) => of_counted(col("usage_cache_read")),
        ContributionWeight::SeriesTotal(SeriesMeasure::CacheWriteTokens) => of_counted(cache_writes()),
        ContributionWeight::SeriesTotal(SeriesMeasure::ReasoningTokens) => of_counted(col("usage_reasoning")),
        ContributionWeight::SeriesTotal(SeriesMeasure::Spans) => one(lit(true)),
        ContributionWeight::SeriesTotal(SeriesMeasure::Runs) => one(col("is_run")),
        ContributionWeight::SeriesTotal(
            SeriesMeasure::Calls
            | SeriesMeasure::DurationP50
            | SeriesMeasure::DurationP95
            | SeriesMeasure::DurationP99
            | SeriesMeasure::Errors,
        ) => one(is_call()),
        ContributionWeight::TotalTokens => of_counted(col("total_tokens")),
        ContributionWeight::Unpriced => one(is_unpriced()),
        ContributionWeight::FailedTool => one(col("kind").eq(lit("tool")).and(is_failed())),
        ContributionWeight::Slow(us) => one(is_call().and(col("duration_us").gt(lit(us)))),
        ContributionWeight::SlowFirstToken(us) => one(is_call().and(col("time_to_first_token_us").gt(lit(us)))),
    }
}
