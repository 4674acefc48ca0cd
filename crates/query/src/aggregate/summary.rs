//! Totals over the spans of a range, and the most frequent values of fields.

use std::collections::{HashMap, HashSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use datafusion::functions_aggregate::expr_fn::{count, count_distinct, percentile_cont, sum};
use datafusion::prelude::{DataFrame, Expr, ExprFunctionExt, cast, col, lit};
use futures::StreamExt;
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;
use hinomi_store::rollup::RollupSums;
use hinomi_store::snapshot::Snapshot;

use super::rollup::{QueryGrouping, ScopeCells, SubsetTotals};
use crate::error::QueryError;
use crate::filter::{FieldTest, Filter, FilterTerm, fields, json_text};
use crate::response::{DurationPercentiles, FacetQuery, FacetValue, UsageSummary};
use crate::scan::columns::BatchColumn;
use crate::scan::row_lookup::{columns_of, live_rows};
use crate::{GroupBy, ProjectSnapshot, QueryEngine, QueryScope, ScanMode};

/// Maximum number of models without a price in a summary.
const MAX_UNPRICED_MODELS: usize = 50;

/// Maximum number of tag names that are counted: the first ones that are read.
const MAX_TAG_NAMES: usize = 100_000;

/// Returns the condition for LLM calls that totals include.
pub(crate) fn is_call() -> Expr {
    col("kind").in_list(vec![lit("llm"), lit("embedding")], false).and(col("counted"))
}

pub(crate) fn is_failed() -> Expr {
    col("status").eq(lit("error"))
}

pub(crate) fn is_without_usage() -> Expr {
    col("usage_input").is_null().and(col("usage_output").is_null()).and(col("total_tokens").is_null())
}

pub(crate) fn is_unpriced() -> Expr {
    is_call().and(col("cost").is_null()).and(is_without_usage().is_not_true()).and(is_failed().is_not_true())
}

pub(crate) fn count_where(condition: Expr, name: &str) -> Result<Expr, QueryError> {
    Ok(count(lit(1)).filter(condition).build()?.alias(name))
}

/// Returns the condition for calls with estimated tokens.
pub(crate) fn is_estimated() -> Expr {
    is_call().and(col("usage_source").eq(lit("estimated")))
}

/// Returns the condition for spans whose tokens and cost are included in totals: calls, other priced uses of models, and agents whose calls
/// report no usage. All other counted spans have neither tokens nor cost.
pub(crate) fn is_counted() -> Expr {
    col("counted")
}

/// Returns the condition for counted spans with a cost.
pub(crate) fn has_counted_cost() -> Expr {
    is_counted().and(col("cost").is_not_null())
}

/// Returns the sum of tokens or costs over counted spans.
pub(crate) fn sum_of_counted(value: Expr, name: &str) -> Result<Expr, QueryError> {
    Ok(sum(value).filter(is_counted()).build()?.alias(name))
}

pub(crate) fn cache_writes() -> Expr {
    let none = || lit(0i64);
    let part = |name: &str| datafusion::prelude::when(col(name).is_null(), none()).otherwise(col(name));
    match (part("usage_cache_write_5m"), part("usage_cache_write_1h")) {
        (Ok(short), Ok(long)) => short + long,
        // Building this `CASE` expression never fails.
        _ => col("usage_cache_write_5m"),
    }
}

pub(crate) fn percentile(condition: Expr, share: f64, name: &str) -> Result<Expr, QueryError> {
    let duration = cast(col("duration_us"), DataType::Float64);
    Ok(percentile_cont(duration.sort(true, false), lit(share)).filter(condition).build()?.alias(name))
}

/// Returns the aggregates that summary and breakdown share. `is_run` is the condition for runs.
pub(crate) fn common_aggregates(is_run: &Expr) -> Result<Vec<Expr>, QueryError> {
    Ok(vec![
        count(lit(1)).alias("spans"),
        count_where(is_call(), "llm_calls")?,
        count_where(is_call().and(is_failed()), "failed_llm_calls")?,
        count_where(is_unpriced(), "unpriced_calls")?,
        sum_of_counted(col("input_tokens"), "input_tokens")?,
        sum_of_counted(col("output_tokens"), "output_tokens")?,
        sum_of_counted(col("usage_cache_read"), "cache_read_tokens")?,
        sum_of_counted(cache_writes(), "cache_write_tokens")?,
        sum_of_counted(col("usage_reasoning"), "reasoning_tokens")?,
        sum_of_counted(col("cost"), "cost")?,
        count_where(is_estimated(), "estimated_calls")?,
        sum(col("cost")).filter(is_estimated()).build()?.alias("estimated_cost"),
        percentile(is_call(), 0.5, "p50")?,
        percentile(is_call(), 0.95, "p95")?,
        percentile(is_call(), 0.99, "p99")?,
        count_where(is_run.clone(), "runs")?,
        count_where(is_run.clone().and(is_failed()), "failed_runs")?,
    ])
}

/// Returns a cost in dollars: 0 if there are no calls and nothing else has a cost, `None` if there are calls and nothing has a price.
pub(crate) fn cost_in_dollars(cost: Option<Usd>, calls: u64) -> Option<f64> {
    cost.map(Usd::dollars).or((calls == 0).then_some(0.0))
}

impl ProjectSnapshot {
    /// Returns the totals of a scope. Error events are not spans, so `errors` stays 0.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter compares values that cannot be compared, the query engine fails, or the query needs more memory than
    /// allowed.
    pub async fn summary(&self, scope: &QueryScope) -> Result<UsageSummary, QueryError> {
        if let Some(parts) = self.scope_cells(scope, QueryGrouping { distinct: true, ..QueryGrouping::default() }).await? {
            return self.run_reading(move |project| Ok(rollup_summary(&parts, project.traces_and_users(&parts)))).await;
        }
        let mut sums = common_aggregates(&col("is_run"))?;
        sums.extend([
            count_distinct(col("trace_id")).alias("traces"),
            count_distinct(col("user_id")).alias("users"),
            sum_of_counted(col("usage_input"), "new_input_tokens")?,
            sum(col("input_tokens")).filter(is_estimated()).build()?.alias("estimated_input_tokens"),
            sum(col("output_tokens")).filter(is_estimated()).build()?.alias("estimated_output_tokens"),
            count_where(is_call().and(is_without_usage()).and(col("status").eq(lit("ok"))), "calls_without_usage")?,
        ]);
        let batches = self.spans_in_scope(ScanMode::MostRows, scope).await?.aggregate(vec![], sums)?.collect().await?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(UsageSummary::default()) };
        let number = |name: &str| BatchColumn::of(batch, name).count(0);
        let unpriced_calls = number("unpriced_calls");
        let (unpriced_models, unpriced_model_count) = if unpriced_calls > 0 { self.unpriced_models(scope).await? } else { (Vec::new(), 0) };
        Ok(UsageSummary {
            spans: number("spans"),
            traces: number("traces"),
            llm_calls: number("llm_calls"),
            failed_llm_calls: number("failed_llm_calls"),
            errors: 0,
            input_tokens: number("input_tokens"),
            output_tokens: number("output_tokens"),
            cost: cost_in_dollars(BatchColumn::of(batch, "cost").usd(0), number("llm_calls")),
            unpriced_calls,
            duration_ms: DurationPercentiles::read_percentiles(batch, 0),
            runs: number("runs"),
            failed_runs: number("failed_runs"),
            new_input_tokens: number("new_input_tokens"),
            cache_read_tokens: number("cache_read_tokens"),
            cache_write_tokens: number("cache_write_tokens"),
            reasoning_tokens: number("reasoning_tokens"),
            calls_without_usage: number("calls_without_usage"),
            estimated_calls: number("estimated_calls"),
            estimated_input_tokens: number("estimated_input_tokens"),
            estimated_output_tokens: number("estimated_output_tokens"),
            estimated_cost: cost_in_dollars(BatchColumn::of(batch, "estimated_cost").usd(0), number("estimated_calls")),
            unpriced_models,
            unpriced_model_count,
            users: number("users"),
        })
    }

    /// Returns the models of unpriced calls, those with most calls first, and the number of all such models.
    async fn unpriced_models(&self, scope: &QueryScope) -> Result<(Vec<String>, u64), QueryError> {
        let table = self.spans_in_scope(ScanMode::FewRows, scope).await?.filter(is_unpriced().and(col("model").is_not_null()))?;
        let batches = table.aggregate(vec![col("model")], vec![count(lit(1)).alias("calls")])?.collect().await?;
        let of_batch = |batch: &RecordBatch| {
            let (model, calls) = (BatchColumn::of(batch, "model"), BatchColumn::of(batch, "calls"));
            (0..batch.num_rows()).filter_map(|row| Some((calls.count(row), model.text(row)?))).collect::<Vec<_>>()
        };
        let mut models: Vec<(u64, String)> = batches.iter().flat_map(of_batch).collect();
        models.sort_by(|(a_calls, a), (b_calls, b)| b_calls.cmp(a_calls).then_with(|| a.cmp(b)));
        let count = models.len() as u64;
        Ok((models.into_iter().take(MAX_UNPRICED_MODELS).map(|(_, model)| model).collect(), count))
    }

    /// Returns the most frequent values of a field, and the values that are requested by name.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`summary`](ProjectSnapshot::summary), and an error if the field is unknown.
    pub async fn facets(&self, scope: &QueryScope, asked: &FacetQuery<'_>) -> Result<Vec<FacetValue>, QueryError> {
        let FacetQuery { field, prefix, limit, .. } = *asked;
        let names_of_tags = field == "tag";
        let value = match field {
            "tag" => json_text::json_names(col("tags")),
            "model" => self.grouping(scope, &GroupBy::Column("model", "model")).await?.key_expression(),
            _ => fields::facet_text(field)?,
        };
        let mut spans = self.spans_in_scope(ScanMode::MostRows, scope).await?;
        // Name and status of a trace are those of its root.
        if asked.counts_traces && matches!(field, "name" | "status") {
            spans = spans.filter(col("parent_span_id").is_null())?;
        }
        let chosen = spans.clone();
        let values = spans.select(vec![value.alias("value"), col("trace_id")])?.filter(col("value").is_not_null())?;
        let counts = vec![if asked.counts_traces { count_distinct(col("trace_id")) } else { count(lit(1)) }.alias("count")];
        if !names_of_tags {
            let values = if prefix.is_empty() { values } else { values.filter(json_text::text_begins(col("value"), prefix))? };
            let counted = values.aggregate(vec![col("value")], counts)?;
            let order = vec![col("count").sort(false, false), col("value").sort(true, false)];
            let first = counted.clone().sort(order)?.limit(0, Some(limit))?.collect().await?;
            let of_batch = |batch: &RecordBatch| {
                let (value, count) = (BatchColumn::of(batch, "value"), BatchColumn::of(batch, "count"));
                (0..batch.num_rows())
                    .filter_map(|row| Some(FacetValue { value: value.text(row)?, count: count.count(row) }))
                    .collect::<Vec<_>>()
            };
            let mut facets: Vec<FacetValue> = first.iter().flat_map(of_batch).collect();
            if facets.len() == limit || field == "model" {
                let missing = asked.values.iter().filter(|value| facets.iter().all(|facet| facet.value != **value)).cloned().collect();
                facets.extend(self.counts_of_values(chosen, field, missing, asked.counts_traces).await?);
            }
            return Ok(facets);
        }
        // Each value is the list of tag names of some spans.
        let mut names: HashMap<String, u64> = HashMap::new();
        let mut batches = values.aggregate(vec![col("value")], counts)?.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let (value, count) = (BatchColumn::of(&batch, "value"), BatchColumn::of(&batch, "count"));
            for row in 0..batch.num_rows() {
                let (Some(value), count) = (value.text(row), count.count(row)) else { continue };
                for name in value.lines() {
                    if let Some(known) = names.get_mut(name) {
                        *known += count;
                    } else if names.len() < MAX_TAG_NAMES {
                        names.insert(name.to_owned(), count);
                    }
                }
            }
        }
        let prefix = prefix.to_lowercase();
        let mut facets: Vec<FacetValue> = names.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
        facets.retain(|facet| facet.value.to_lowercase().starts_with(&prefix));
        facets.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        facets.truncate(limit);
        Ok(facets)
    }

    /// Returns how many spans or traces a filter for each of these values selects. Values that select none are left out.
    async fn counts_of_values(
        &self,
        spans: DataFrame,
        field: &str,
        values: Vec<String>,
        of_traces: bool,
    ) -> Result<Vec<FacetValue>, QueryError> {
        let mut counts = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let term = FilterTerm::Field { not: false, field: field.to_owned(), test: FieldTest::OneOf(vec![value.clone()]) };
            let condition = fields::condition(&Filter(vec![term]))?.unwrap_or_else(|| lit(true));
            // An aggregate builder drops `distinct`, even if the expression has it.
            let count = if of_traces { count(col("trace_id")).filter(condition).distinct() } else { count(lit(1)).filter(condition) };
            counts.push(count.build()?.alias(format!("count{at}")));
        }
        if counts.is_empty() {
            return Ok(Vec::new());
        }
        let batches = spans.aggregate(Vec::new(), counts)?.collect().await?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(Vec::new()) };
        let facets = values
            .into_iter()
            .enumerate()
            .map(|(at, value)| FacetValue { value, count: BatchColumn::of(batch, &format!("count{at}")).count(0) });
        Ok(facets.filter(|facet| facet.count > 0).collect())
    }

    /// Returns the traces, out of the given ones, that have a span in the scope.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`summary`](ProjectSnapshot::summary).
    pub async fn matching_traces(&self, scope: &QueryScope, among: &[TraceId]) -> Result<HashSet<TraceId>, QueryError> {
        if among.is_empty() {
            return Ok(HashSet::new());
        }
        let ids = among.iter().map(|id| lit(id.to_string())).collect();
        let table = self.spans_in_scope(ScanMode::FewRows, scope).await?.filter(col("trace_id").in_list(ids, false))?;
        let batches = table.select_columns(&["trace_id"])?.distinct()?.collect().await?;
        Ok(batches.iter().flat_map(|batch| text_column(batch, "trace_id")).filter_map(|id| id.parse().ok()).collect())
    }

    /// Returns the range of a scope. An open end becomes the first or last stored span.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`summary`](ProjectSnapshot::summary).
    pub async fn resolved_range(&self, scope: &QueryScope) -> Result<(i64, i64), QueryError> {
        if scope.from_us != i64::MIN && scope.to_us != i64::MAX {
            return Ok((scope.from_us, scope.to_us));
        }
        let (first, last) = self.time_bounds().await?.unwrap_or((0, -1));
        let from_us = if scope.from_us == i64::MIN { first } else { scope.from_us };
        let to_us = if scope.to_us == i64::MAX { last + 1 } else { scope.to_us };
        Ok((from_us, to_us.max(from_us)))
    }

    /// Returns the starts of the first and the last span of the project.
    async fn time_bounds(&self) -> Result<Option<(i64, i64)>, QueryError> {
        self.run_reading(ProjectSnapshot::row_time_bounds).await
    }

    /// Computes the bounds, mostly from the statistics of files.
    fn row_time_bounds(&self) -> Result<Option<(i64, i64)>, QueryError> {
        let project = self.stored_id();
        let narrow = columns_of(|name| ["project_id", "start_time"].contains(&name));
        let mut bounds = StartTimeBounds::default();
        for batch in &self.snapshot.buffer {
            bounds.add_rows(batch, project);
        }
        for view in self.snapshot.segments.iter().filter(|view| view.segment.may_contain(self.project, i64::MIN, i64::MAX)) {
            if bounds.contains_row((view.segment.min_start_us, view.segment.max_start_us)) {
                continue;
            }
            let segment = self.engine.footers.open(&view.segment)?;
            for group in segment.row_groups() {
                if project < group.projects.0 || project > group.projects.1 || bounds.contains_row(group.starts_us) {
                    continue;
                }
                let rows = live_rows(std::slice::from_ref(&group.rows), &view.dead);
                let all_live = rows.first() == Some(&group.rows);
                if all_live && group.projects == (project, project) && group.starts_us.0 != i64::MIN {
                    bounds.add(group.starts_us);
                } else if !rows.is_empty() {
                    bounds.add_rows(&segment.rows(&rows, &narrow)?, project);
                }
            }
        }
        Ok(bounds.0)
    }
}

impl QueryEngine {
    /// Returns the start of the oldest span of all projects, in microseconds since the Unix epoch. Reads files.
    ///
    /// # Errors
    ///
    /// Returns an error if a segment cannot be read.
    pub fn oldest_start_us(&self, snapshot: &Snapshot) -> Result<Option<i64>, QueryError> {
        let narrow = columns_of(|name| name == "start_time");
        let starts = |batch: &RecordBatch| -> Option<i64> {
            batch.column_by_name("start_time")?.as_primitive::<TimestampMicrosecondType>().values().iter().min().copied()
        };
        let mut oldest = snapshot.buffer.iter().filter_map(starts).min();
        let mut views: Vec<_> = snapshot.segments.iter().collect();
        views.sort_unstable_by_key(|view| view.segment.min_start_us);
        for view in views {
            if oldest.is_some_and(|oldest| oldest <= view.segment.min_start_us) {
                break;
            }
            let first = if view.dead.is_empty() {
                Some(view.segment.min_start_us)
            } else {
                let all = 0..view.segment.rows as u32;
                let rows = live_rows(std::slice::from_ref(&all), &view.dead);
                if rows.is_empty() { None } else { starts(&self.footers.open(&view.segment)?.rows(&rows, &narrow)?) }
            };
            oldest = [oldest, first].into_iter().flatten().min();
        }
        Ok(oldest)
    }
}

/// Range of start times.
#[derive(Default)]
struct StartTimeBounds(Option<(i64, i64)>);

impl StartTimeBounds {
    fn contains_row(&self, (first, last): (i64, i64)) -> bool {
        self.0.is_some_and(|known| known.0 <= first && known.1 >= last)
    }

    fn add(&mut self, (first, last): (i64, i64)) {
        self.0 = Some(self.0.map_or((first, last), |known| (known.0.min(first), known.1.max(last))));
    }

    fn add_rows(&mut self, batch: &RecordBatch, project: i64) {
        let (Some(projects), Some(starts)) = (batch.column_by_name("project_id"), batch.column_by_name("start_time")) else { return };
        let (projects, starts) = (projects.as_primitive::<Int64Type>(), starts.as_primitive::<TimestampMicrosecondType>());
        for (of, start_us) in projects.values().iter().zip(starts.values()) {
            if *of == project {
                self.add((*start_us, *start_us));
            }
        }
    }
}

/// Converts a sum to an unsigned number; a negative one becomes 0, as in the query engine.
pub(crate) fn tokens(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or(0)
}

fn rollup_usd(sums: &RollupSums) -> Usd {
    Usd(i64::try_from(sums.cost).unwrap_or(if sums.cost < 0 { i64::MIN } else { i64::MAX }))
}

fn rollup_cost(calls: &RollupSums) -> Option<f64> {
    cost_in_dollars((calls.priced > 0).then(|| rollup_usd(calls)), calls.spans)
}

fn rollup_percentiles(side: &SubsetTotals) -> DurationPercentiles {
    DurationPercentiles { p50: side.percentile_ms(0.5), p95: side.percentile_ms(0.95), p99: side.percentile_ms(0.99) }
}

fn rollup_summary(parts: &ScopeCells, (traces, users): (u64, u64)) -> UsageSummary {
    let totals = parts.totals();
    let calls = &totals.calls;
    let (unpriced_models, unpriced_model_count) = parts.unpriced_models(MAX_UNPRICED_MODELS);
    UsageSummary {
        spans: totals.spans,
        traces,
        llm_calls: calls.sums.spans,
        failed_llm_calls: calls.failed,
        errors: 0,
        input_tokens: tokens(calls.sums.input_tokens),
        output_tokens: tokens(calls.sums.output_tokens),
        cost: rollup_cost(&calls.sums),
        estimated_calls: totals.estimated.spans,
        estimated_input_tokens: tokens(totals.estimated.input_tokens),
        estimated_output_tokens: tokens(totals.estimated.output_tokens),
        estimated_cost: rollup_cost(&totals.estimated),
        unpriced_calls: calls.sums.unpriced,
        duration_ms: rollup_percentiles(calls),
        runs: totals.runs.sums.spans,
        failed_runs: totals.runs.failed,
        new_input_tokens: tokens(calls.sums.usage_input),
        cache_read_tokens: tokens(calls.sums.cache_read),
        cache_write_tokens: tokens(calls.sums.cache_write),
        reasoning_tokens: tokens(calls.sums.reasoning),
        calls_without_usage: totals.calls_without_usage,
        unpriced_models,
        unpriced_model_count,
        users,
    }
}

fn text_column(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = BatchColumn::of(batch, name);
    (0..batch.num_rows()).filter_map(|row| column.text(row)).collect()
}
