//! Breakdown of totals by a property: the first rows in a sort order. All groups have exact sums; other values are computed only for the
//! returned rows.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{avg, max, min};
use datafusion::prelude::{ExprFunctionExt, cast, col};
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;

use super::group_by::GroupBy;
use super::group_table::{CollectedDurations, DurationSubject, GroupSumComponent, GroupTable};
use super::grouped::{GroupAggregates, GroupPlan};
use super::rollup::ScopeSources;
use super::summary::{common_aggregates, cost_in_dollars, is_call, percentile, tokens};
use crate::error::QueryError;
use crate::filter::FilterTerm;
use crate::response::{BreakdownRow, DurationPercentiles, RunDurations};
use crate::scan::columns::BatchColumn;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Number of candidates beyond the requested rows that are collected before the last ones are dropped.
const SPARE_CANDIDATES: usize = 1024;

type BreakdownValueFn = fn(&BreakdownRow) -> Option<f64>;

/// Percentile by which rows are sorted, if they are.
type SortedPercentile = Option<(DurationSubject, f64)>;

/// Sort orders of a breakdown: name, value of a row, and the percentile that the value is, if it is one.
const BREAKDOWN_ORDERS: &[(&str, BreakdownValueFn, SortedPercentile)] = &[
    ("cost", |row| row.cost, None),
    ("llm_calls", |row| Some(row.llm_calls as f64), None),
    ("failed_llm_calls", |row| Some(row.failed_llm_calls as f64), None),
    ("input_tokens", |row| Some(row.input_tokens as f64), None),
    ("output_tokens", |row| Some(row.output_tokens as f64), None),
    ("unpriced_calls", |row| Some(row.unpriced_calls as f64), None),
    ("duration_p50", |row| row.duration_ms.p50, Some((DurationSubject::Calls, 0.5))),
    ("duration_p95", |row| row.duration_ms.p95, Some((DurationSubject::Calls, 0.95))),
    ("runs", |row| Some(row.runs as f64), None),
    ("failed_runs", |row| Some(row.failed_runs as f64), None),
    ("run_duration_mean", |row| row.run_duration_ms.mean, None),
    ("run_duration_p95", |row| row.run_duration_ms.p95, Some((DurationSubject::Runs, 0.95))),
    ("spans", |row| Some(row.spans as f64), None),
    ("key", |_| None, None),
];

/// Sort order of rows.
#[derive(Clone, Copy)]
struct RowOrder {
    value: BreakdownValueFn,
    percentile: SortedPercentile,
    descending: bool,
    keys_descending: bool,
}

impl RowOrder {
    fn read(sort: &str) -> Result<RowOrder, QueryError> {
        let field = sort.trim_start_matches('-');
        let (_, value, percentile) = BREAKDOWN_ORDERS.iter().find(|(name, ..)| *name == field).ok_or_else(|| QueryError::BadSort {
            sort: sort.to_owned(),
            known: BREAKDOWN_ORDERS.iter().map(|(name, ..)| *name).collect(),
        })?;
        Ok(RowOrder { value: *value, percentile: *percentile, descending: sort.starts_with('-'), keys_descending: sort == "-key" })
    }

    /// Compares two rows by value, then by key. Unknown values come last in both directions.
    fn compare(&self, (a, a_key): (Option<f64>, Option<&str>), (b, b_key): (Option<f64>, Option<&str>)) -> Ordering {
        let by_value = match (a, b) {
            (None, None) => Ordering::Equal,
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
            (Some(a), Some(b)) if self.descending => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
        };
        by_value.then_with(|| if self.keys_descending { b_key.cmp(&a_key) } else { a_key.cmp(&b_key) })
    }
}

/// Returns whether a row belongs in the breakdown.
fn is_row_included(row: &BreakdownRow, has_key: bool, by: &GroupBy) -> bool {
    let is_of_runs = matches!(by, GroupBy::Column("pipeline" | "agent" | "tool", _));
    let is_billed = row.cost.is_some_and(|cost| cost != 0.0) || row.input_tokens + row.output_tokens > 0;
    row.llm_calls > 0 || is_billed || (by.has_rows_without_calls() && has_key && (row.runs > 0 || !is_of_runs))
}

impl ProjectSnapshot {
    /// Returns totals by a property, at most `limit` rows. Rows without calls, tokens and cost are left out, except pipelines, agents and
    /// tools with runs, and values of `op`, `kind` and `name`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`summary`](ProjectSnapshot::summary), and an error if the sort is unknown.
    pub async fn breakdown(&self, scope: &QueryScope, by: &GroupBy, sort: &str, limit: usize) -> Result<Vec<BreakdownRow>, QueryError> {
        let order = RowOrder::read(sort)?;
        let by = &self.grouping(scope, by).await?;
        let minutes = {
            let (from_us, to_us) = self.resolved_range(scope).await?;
            (to_us.saturating_sub(from_us)) as f64 / 60e6
        };
        let plan = GroupPlan {
            group_by: Some(by.clone()),
            runs: by.run_selector(),
            components: GroupSumComponent::ALL.into_iter().filter(|component| *component != GroupSumComponent::NewInputTokens).collect(),
            durations: CollectedDurations::OfCallsAndRuns,
            steps: None,
        };
        if let Some((groups, sources)) = self.groups(scope, plan).await? {
            let by = by.clone();
            return self.run_reading(move |_| grouped_rows(groups, &sources, &by, order, limit, minutes)).await;
        }
        let mut rows = self.scanned_rows(scope, by, minutes).await?;
        rows.retain(|row| is_row_included(row, row.key.is_some(), by));
        rows.sort_by(|a, b| order.compare(((order.value)(a), a.key.as_deref()), ((order.value)(b), b.key.as_deref())));
        rows.truncate(limit);
        Ok(rows)
    }

    /// Returns totals of sets of traces, one row for each key, at most `limit` rows. A trace may be in several sets.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`breakdown`](ProjectSnapshot::breakdown).
    pub async fn breakdown_of_traces(
        &self,
        scope: &QueryScope,
        sets: Vec<(String, HashSet<TraceId>)>,
        sort: &str,
        limit: usize,
    ) -> Result<Vec<BreakdownRow>, QueryError> {
        let order = RowOrder::read(sort)?;
        let minutes = {
            let (from_us, to_us) = self.resolved_range(scope).await?;
            (to_us.saturating_sub(from_us)) as f64 / 60e6
        };
        let mut rows = Vec::new();
        for (key, traces) in sets {
            let mut of_traces = scope.clone();
            of_traces.filter.0.push(FilterTerm::InTraces(Arc::new(traces)));
            let row = self.scanned_rows(&of_traces, &GroupBy::Whole(key), minutes).await?;
            rows.extend(row.into_iter().filter(|row| row.spans > 0));
        }
        rows.sort_by(|a, b| order.compare(((order.value)(a), a.key.as_deref()), ((order.value)(b), b.key.as_deref())));
        rows.truncate(limit);
        Ok(rows)
    }

    /// Computes the rows of a breakdown with the query engine, from the rows of spans.
    async fn scanned_rows(&self, scope: &QueryScope, by: &GroupBy, minutes: f64) -> Result<Vec<BreakdownRow>, QueryError> {
        let is_run = by.is_run_expression();
        let mut sums = common_aggregates(&is_run)?;
        let run_duration = cast(col("duration_us"), DataType::Float64);
        sums.extend([
            min(col("provider")).filter(is_call()).build()?.alias("provider"),
            max(col("provider")).filter(is_call()).build()?.alias("last_provider"),
            avg(run_duration).filter(is_run.clone()).build()?.alias("run_mean"),
            percentile(is_run.clone(), 0.5, "run_p50")?,
            percentile(is_run, 0.95, "run_p95")?,
        ]);
        let batches = self
            .spans_in_scope(ScanMode::MostRows, scope)
            .await?
            .aggregate(vec![by.key_expression().alias("key")], sums)?
            .collect()
            .await?;
        Ok(batches.iter().flat_map(|batch| breakdown_rows(batch, minutes)).collect())
    }
}

/// Returns the first rows, from aggregated groups.
fn grouped_rows(
    mut groups: GroupAggregates,
    sources: &ScopeSources,
    by: &GroupBy,
    order: RowOrder,
    limit: usize,
    minutes: f64,
) -> Result<Vec<BreakdownRow>, QueryError> {
    let stored = groups.add_sources(sources, order.percentile.is_some())?;
    let sorted_by = order.percentile.map(|(of, share)| groups.every_percentile_ms(of, share));
    let table = groups.table();
    let key = |cell: u32| table.key_of_group(table.cells_with_spans()[cell as usize].0);
    let compare = |a: &(Option<f64>, u32), b: &(Option<f64>, u32)| order.compare((a.0, key(a.1)), (b.0, key(b.1)));
    let mut first: Vec<(Option<f64>, u32)> = Vec::new();
    // Value of the last candidate that can still be among the first rows.
    let mut last: Option<(Option<f64>, u32)> = None;
    for (cell, (group, _)) in (0u32..).zip(table.cells_with_spans()) {
        let row = cell_totals(table, cell, minutes);
        if !is_row_included(&row, *group != 0, by) {
            continue;
        }
        let value = sorted_by.as_ref().map_or_else(|| (order.value)(&row), |values| values[cell as usize]);
        let candidate = (value, cell);
        if last.is_some_and(|last| compare(&candidate, &last).is_gt()) {
            continue;
        }
        first.push(candidate);
        if first.len() >= 2 * limit + SPARE_CANDIDATES {
            first.select_nth_unstable_by(limit - 1, compare);
            first.truncate(limit);
            last = first.last().copied();
        }
    }
    first.sort_unstable_by(compare);
    first.truncate(limit);
    let cells: Vec<u32> = first.into_iter().map(|(_, cell)| cell).collect();
    let of_calls = table.percentiles_ms(&cells, DurationSubject::Calls, &stored, [0.5, 0.95, 0.99]);
    let of_runs = table.percentiles_ms(&cells, DurationSubject::Runs, &stored, [0.5, 0.95]);
    let rows = cells.iter().zip(of_calls.into_iter().zip(of_runs)).map(|(cell, ([p50, p95, p99], [run_p50, run_p95]))| {
        let sums = cell_totals(table, *cell, minutes);
        BreakdownRow {
            wasted_cost: None,
            key: key(*cell).map(str::to_owned),
            provider: table.provider(*cell).map(str::to_owned),
            duration_ms: DurationPercentiles { p50, p95, p99 },
            run_duration_ms: RunDurations { p50: run_p50, p95: run_p95, ..sums.run_duration_ms },
            ..sums
        }
    });
    Ok(rows.collect())
}

/// Returns the totals of a cell, without its key and without values that are computed only for returned rows.
fn cell_totals(table: &GroupTable, cell: u32, minutes: f64) -> BreakdownRow {
    let value = |component: GroupSumComponent| table.value(cell, component);
    let count = |component: GroupSumComponent| tokens(value(component));
    let (llm_calls, runs) = (count(GroupSumComponent::Calls), count(GroupSumComponent::Runs));
    let timed_runs = count(GroupSumComponent::TimedRuns);
    BreakdownRow {
        wasted_cost: None,
        key: None,
        spans: count(GroupSumComponent::Spans),
        llm_calls,
        failed_llm_calls: count(GroupSumComponent::FailedCalls),
        input_tokens: count(GroupSumComponent::InputTokens),
        output_tokens: count(GroupSumComponent::OutputTokens),
        cost: cost_in_dollars((value(GroupSumComponent::PricedSpans) > 0).then(|| Usd(value(GroupSumComponent::Cost))), llm_calls),
        unpriced_calls: count(GroupSumComponent::UnpricedCalls),
        duration_ms: DurationPercentiles::default(),
        cache_read_tokens: count(GroupSumComponent::CacheReadTokens),
        cache_write_tokens: count(GroupSumComponent::CacheWriteTokens),
        reasoning_tokens: count(GroupSumComponent::ReasoningTokens),
        estimated_calls: count(GroupSumComponent::EstimatedCalls),
        estimated_cost: cost_in_dollars(
            (value(GroupSumComponent::EstimatedPricedCalls) > 0).then(|| Usd(value(GroupSumComponent::EstimatedCost))),
            count(GroupSumComponent::EstimatedCalls),
        ),
        provider: None,
        runs,
        failed_runs: count(GroupSumComponent::FailedRuns),
        runs_per_minute: (minutes > 0.0).then(|| runs as f64 / minutes),
        run_duration_ms: RunDurations {
            mean: (timed_runs > 0).then(|| value(GroupSumComponent::RunDuration) as f64 / timed_runs as f64 / 1000.0),
            ..RunDurations::default()
        },
    }
}

fn breakdown_rows(batch: &RecordBatch, minutes: f64) -> Vec<BreakdownRow> {
    let column = |name: &str| BatchColumn::of(batch, name);
    let row = |row: usize| {
        let number = |name: &str| column(name).count(row);
        let (llm_calls, runs) = (number("llm_calls"), number("runs"));
        let provider = column("provider").text(row);
        BreakdownRow {
            wasted_cost: None,
            key: column("key").text(row),
            spans: number("spans"),
            llm_calls,
            failed_llm_calls: number("failed_llm_calls"),
            input_tokens: number("input_tokens"),
            output_tokens: number("output_tokens"),
            cost: cost_in_dollars(column("cost").usd(row), llm_calls),
            unpriced_calls: number("unpriced_calls"),
            duration_ms: DurationPercentiles::read_percentiles(batch, row),
            cache_read_tokens: number("cache_read_tokens"),
            cache_write_tokens: number("cache_write_tokens"),
            reasoning_tokens: number("reasoning_tokens"),
            estimated_calls: number("estimated_calls"),
            estimated_cost: cost_in_dollars(column("estimated_cost").usd(row), number("estimated_calls")),
            provider: provider.filter(|provider| column("last_provider").text(row).as_ref() == Some(provider)),
            runs,
            failed_runs: number("failed_runs"),
            runs_per_minute: (minutes > 0.0).then(|| runs as f64 / minutes),
            run_duration_ms: RunDurations {
                mean: column("run_mean").ms(row),
                p50: column("run_p50").ms(row),
                p95: column("run_p95").ms(row),
            },
        }
    };
    (0..batch.num_rows()).map(row).collect()
}
