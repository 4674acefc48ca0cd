//! Sums over spans: of a range, over time, by a property, and the most frequent values.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{avg, count, count_distinct, max, min, percentile_cont, sum};
use datafusion::prelude::{Expr, ExprFunctionExt, cast, col, lit};
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;

use super::answer::{BreakdownRow, Facet, Group, Percentiles, RunDurations, Series, Summary};
use super::by::By;
use super::columns::Column;
use super::error::QueryError;
use super::measure::{Bucket, Measure};
use super::rolled::{Apart, Parts, Placed, Runs, Side, Totals};
use super::{Project, Reading, Scope, fields, text};
use crate::store::rollup::{HOUR_US, Sums};
use crate::time::rfc3339;

/// Points of one line at most.
const MOST_POINTS: i64 = 5_000;
/// Lines of one chart at most; the others are too small to be told apart.
const MOST_GROUPS: usize = 50;

/// A call whose tokens and cost go into sums.
pub(super) fn is_call() -> Expr {
    col("kind").in_list(vec![lit("llm"), lit("embedding")], false).and(col("counted"))
}

pub(super) fn is_failed() -> Expr {
    col("status").eq(lit("error"))
}

pub(super) fn is_without_usage() -> Expr {
    col("usage_input").is_null().and(col("usage_output").is_null()).and(col("total_tokens").is_null())
}

pub(super) fn is_unpriced() -> Expr {
    is_call().and(col("cost").is_null()).and(is_without_usage().is_not_true()).and(is_failed().is_not_true())
}

pub(super) fn how_many(condition: Expr, name: &str) -> Result<Expr, QueryError> {
    Ok(count(lit(1)).filter(condition).build()?.alias(name))
}

/// Tokens that were counted from texts.
pub(super) fn is_estimated() -> Expr {
    is_call().and(col("usage_source").eq(lit("estimated")))
}

/// A sum over calls.
pub(super) fn sum_of_calls(value: Expr, name: &str) -> Result<Expr, QueryError> {
    Ok(sum(value).filter(is_call()).build()?.alias(name))
}

pub(super) fn cache_writes() -> Expr {
    let none = || lit(0i64);
    let part = |name: &str| datafusion::prelude::when(col(name).is_null(), none()).otherwise(col(name));
    match (part("usage_cache_write_5m"), part("usage_cache_write_1h")) {
        (Ok(short), Ok(long)) => short + long,
        // A case with one branch and another can always be built.
        _ => col("usage_cache_write_5m"),
    }
}

fn percentile(condition: Expr, share: f64, name: &str) -> Result<Expr, QueryError> {
    let duration = cast(col("duration_us"), DataType::Float64);
    Ok(percentile_cont(duration.sort(true, false), lit(share)).filter(condition).build()?.alias(name))
}

/// What summary and breakdown have in common. `is_run` says which spans are runs.
fn common(is_run: &Expr) -> Result<Vec<Expr>, QueryError> {
    Ok(vec![
        count(lit(1)).alias("spans"),
        how_many(is_call(), "llm_calls")?,
        how_many(is_call().and(is_failed()), "failed_llm_calls")?,
        how_many(is_unpriced(), "unpriced_calls")?,
        sum_of_calls(col("input_tokens"), "input_tokens")?,
        sum_of_calls(col("output_tokens"), "output_tokens")?,
        sum_of_calls(col("usage_cache_read"), "cache_read_tokens")?,
        sum_of_calls(cache_writes(), "cache_write_tokens")?,
        sum_of_calls(col("usage_reasoning"), "reasoning_tokens")?,
        sum_of_calls(col("cost"), "cost")?,
        how_many(is_estimated(), "estimated_calls")?,
        sum(col("cost")).filter(is_estimated()).build()?.alias("estimated_cost"),
        percentile(is_call(), 0.5, "p50")?,
        percentile(is_call(), 0.95, "p95")?,
        percentile(is_call(), 0.99, "p99")?,
        how_many(is_run.clone(), "runs")?,
        how_many(is_run.clone().and(is_failed()), "failed_runs")?,
    ])
}

/// Nothing costs nothing; calls without any price are unknown.
fn dollars(cost: Option<Usd>, calls: u64) -> Option<f64> {
    if calls == 0 { Some(0.0) } else { cost.map(Usd::dollars) }
}

impl Project {
    /// Sums over a scope. Error events are not spans: `errors` is left 0.
    ///
    /// # Errors
    ///
    /// When the filter compares what cannot be compared, or the engine fails; so with all questions.
    pub async fn summary(&self, scope: &Scope) -> Result<Summary, QueryError> {
        if let Some(parts) = self.parts(scope, Apart { distinct: true, ..Apart::default() }).await? {
            return self.reading(move |project| Ok(rolled_summary(&parts, project.traces_and_users(&parts)))).await;
        }
        let mut sums = common(&col("is_run"))?;
        sums.extend([
            count_distinct(col("trace_id")).alias("traces"),
            count_distinct(col("user_id")).alias("users"),
            sum_of_calls(col("usage_input"), "new_input_tokens")?,
            sum(col("input_tokens")).filter(is_estimated()).build()?.alias("estimated_input_tokens"),
            sum(col("output_tokens")).filter(is_estimated()).build()?.alias("estimated_output_tokens"),
            how_many(is_call().and(is_without_usage()).and(col("status").eq(lit("ok"))), "calls_without_usage")?,
        ]);
        let batches = self.spans_of(Reading::Much, scope).await?.aggregate(vec![], sums)?.collect().await?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(Summary::default()) };
        let number = |name: &str| Column::of(batch, name).count(0);
        let unpriced_calls = number("unpriced_calls");
        Ok(Summary {
            spans: number("spans"),
            traces: number("traces"),
            llm_calls: number("llm_calls"),
            failed_llm_calls: number("failed_llm_calls"),
            errors: 0,
            input_tokens: number("input_tokens"),
            output_tokens: number("output_tokens"),
            cost: dollars(Column::of(batch, "cost").usd(0), number("llm_calls")),
            unpriced_calls,
            duration_ms: Percentiles::of(batch, 0),
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
            estimated_cost: Column::of(batch, "estimated_cost").usd(0).unwrap_or_default().dollars(),
            unpriced_models: if unpriced_calls > 0 { self.unpriced_models(scope).await? } else { Vec::new() },
            users: number("users"),
        })
    }

    async fn unpriced_models(&self, scope: &Scope) -> Result<Vec<String>, QueryError> {
        let table = self.spans_of(Reading::Little, scope).await?.filter(is_unpriced().and(col("model").is_not_null()))?;
        let batches = table.select_columns(&["model"])?.distinct()?.collect().await?;
        let mut models: Vec<String> = batches.iter().flat_map(|batch| texts(batch, "model")).collect();
        models.sort();
        Ok(models)
    }

    /// Measures for each bucket of time, by a property where given. A range that is open ends where the spans do.
    ///
    /// # Errors
    ///
    /// As [`summary`](Project::summary); also when the range has too many buckets.
    pub async fn series(&self, scope: &Scope, bucket: Bucket, measures: &[Measure], by: Option<&By>) -> Result<Series, QueryError> {
        let (from_us, to_us) = self.ends(scope).await?;
        let first = from_us.div_euclid(bucket.us());
        let count = if to_us > from_us { (to_us - 1).div_euclid(bucket.us()) - first + 1 } else { 0 };
        if count > MOST_POINTS {
            return Err(QueryError::TooManyPoints(count));
        }
        let starts_us: Vec<i64> = (first..first + count).map(|number| number * bucket.us()).collect();
        let starts: Vec<String> = starts_us.iter().map(|us| rfc3339(*us)).collect();

        let of_spans: Vec<Measure> = measures.iter().copied().filter(|measure| *measure != Measure::Errors).collect();
        let mut series = Series { starts_us, measures: BTreeMap::new() };
        if of_spans.is_empty() {
            return Ok(series);
        }
        if let Some(lines) = self.rolled_lines(scope, bucket, by).await? {
            for measure in of_spans {
                let empty = if measure.is_duration() { None } else { Some(0.0) };
                let values = |line: &BTreeMap<i64, Totals>| {
                    let value = |number: i64| line.get(&number).and_then(|totals| measured(measure, totals)).or(empty);
                    (first..first + count).map(value).collect()
                };
                let lines = lines.iter().map(|(key, line)| (key.clone(), values(line))).collect();
                series.measures.insert(measure.name().to_owned(), largest(lines, &starts));
            }
            return Ok(series);
        }
        let start = cast(col("start_time"), DataType::Int64);
        let number = ((start.clone() - start % lit(bucket.us())) / lit(bucket.us())).alias("number");
        let mut keys = vec![number];
        keys.extend(by.map(|by| by.key().alias("key")));
        let values = of_spans.iter().map(|measure| aggregate(*measure)).collect::<Result<Vec<_>, _>>()?;
        let batches = self.spans_of(Reading::Much, scope).await?.aggregate(keys, values)?.collect().await?;
        for measure in of_spans {
            let empty = if measure.is_duration() { None } else { Some(0.0) };
            let mut lines: BTreeMap<Option<String>, Vec<Option<f64>>> = BTreeMap::new();
            if by.is_none() {
                lines.insert(None, vec![empty; starts.len()]);
            }
            for batch in &batches {
                let (number, key, value) = (Column::of(batch, "number"), Column::of(batch, "key"), Column::of(batch, measure.name()));
                for row in 0..batch.num_rows() {
                    let Some(slot) = number.int(row).and_then(|number| usize::try_from(number - first).ok()) else { continue };
                    let line = lines.entry(key.text(row)).or_insert_with(|| vec![empty; starts.len()]);
                    let value =
                        value.usd(row).map(Usd::dollars).or_else(|| if measure.is_duration() { value.ms(row) } else { value.float(row) });
                    if let Some(point) = line.get_mut(slot) {
                        *point = value.or(empty);
                    }
                }
            }
            series.measures.insert(measure.name().to_owned(), largest(lines, &starts));
        }
        Ok(series)
    }

    /// What each bucket adds up to, by a property where given; `None` where cells cannot tell.
    async fn rolled_lines(&self, scope: &Scope, bucket: Bucket, by: Option<&By>) -> Result<Option<Lines>, QueryError> {
        if bucket.us() % HOUR_US != 0 {
            return Ok(None);
        }
        let Some(parts) = self.parts(scope, Apart { by, hours: true, ..Apart::default() }).await? else { return Ok(None) };
        let mut lines = Lines::new();
        if by.is_none() {
            lines.insert(None, BTreeMap::new());
        }
        for placed in parts.cells() {
            let key = by.and_then(|by| placed.value(by)).map(str::to_owned);
            let line = lines.entry(key).or_default();
            line.entry(placed.start_us().div_euclid(bucket.us())).or_default().add(&placed, Runs::OfPipelines);
        }
        Ok(Some(lines))
    }

    /// The rows of a breakdown from cells; `None` where they are as well made from the spans.
    async fn rolled_rows(&self, scope: &Scope, by: &By, minutes: f64) -> Result<Option<Vec<BreakdownRow>>, QueryError> {
        let Some(parts) = self.parts(scope, Apart { by: Some(by), ..Apart::default() }).await? else { return Ok(None) };
        let mut rows: HashMap<Option<&str>, (Totals, BTreeSet<&str>)> = HashMap::new();
        let cells: Vec<Placed> = parts.cells().collect();
        for placed in &cells {
            let (totals, providers) = rows.entry(placed.value(by)).or_default();
            totals.add(placed, by.runs());
            providers.extend(Parts::provider_of(placed));
        }
        for (user, sums, of_calls) in parts.users_of_days() {
            let (totals, providers) = rows.entry(user).or_default();
            totals.add_user(sums);
            providers.extend(of_calls);
        }
        let row = |(key, (totals, providers)): (Option<&str>, (Totals, BTreeSet<&str>))| {
            let (calls, runs) = (&totals.calls, &totals.runs);
            BreakdownRow {
                key: key.map(str::to_owned),
                spans: totals.spans,
                llm_calls: calls.sums.spans,
                failed_llm_calls: calls.failed,
                input_tokens: tokens(calls.sums.input_tokens),
                output_tokens: tokens(calls.sums.output_tokens),
                cost: rolled_cost(&calls.sums),
                estimated_calls: totals.estimated.spans,
                estimated_cost: rolled_usd(&totals.estimated).dollars(),
                unpriced_calls: calls.sums.unpriced,
                duration_ms: rolled_percentiles(calls),
                cache_read_tokens: tokens(calls.sums.cache_read),
                cache_write_tokens: tokens(calls.sums.cache_write),
                reasoning_tokens: tokens(calls.sums.reasoning),
                provider: providers.first().filter(|_| providers.len() == 1).map(|provider| (*provider).to_owned()),
                runs: runs.sums.spans,
                failed_runs: runs.failed,
                runs_per_minute: (minutes > 0.0).then(|| runs.sums.spans as f64 / minutes),
                run_duration_ms: RunDurations { mean: runs.mean_ms(), p50: runs.percentile_ms(0.5), p95: runs.percentile_ms(0.95) },
            }
        };
        Ok(Some(rows.into_iter().map(row).collect()))
    }

    /// Sums by a property. Rows without a value are shown where they have calls.
    ///
    /// # Errors
    ///
    /// As [`summary`](Project::summary); also when rows cannot be sorted so.
    pub async fn breakdown(&self, scope: &Scope, by: &By, sort: &str, limit: usize) -> Result<Vec<BreakdownRow>, QueryError> {
        let field = sort.trim_start_matches('-');
        let order = ORDERS.iter().find(|(name, _)| *name == field).map(|(_, order)| *order);
        let order =
            order.ok_or_else(|| QueryError::BadSort { sort: sort.to_owned(), known: ORDERS.iter().map(|(name, _)| *name).collect() })?;
        let minutes = {
            let (from_us, to_us) = self.ends(scope).await?;
            (to_us.saturating_sub(from_us)) as f64 / 60e6
        };
        let mut rows = match self.rolled_rows(scope, by, minutes).await? {
            Some(rows) => rows,
            None => self.scanned_rows(scope, by, minutes).await?,
        };
        rows.retain(|row| {
            row.llm_calls > 0
                || (by.has_runs() && row.key.is_some() && (row.runs > 0 || !matches!(by, By::Column("pipeline" | "agent" | "tool", _))))
        });
        rows.sort_by(|a, b| {
            let (a_value, b_value) = (order(a), order(b));
            let by_value = match (a_value, b_value) {
                // What is unknown comes last, whichever way.
                (None, None) => std::cmp::Ordering::Equal,
                (None, _) => std::cmp::Ordering::Greater,
                (_, None) => std::cmp::Ordering::Less,
                (Some(a), Some(b)) if sort.starts_with('-') => b.total_cmp(&a),
                (Some(a), Some(b)) => a.total_cmp(&b),
            };
            let by_name = || if sort == "-key" { b.key.cmp(&a.key) } else { a.key.cmp(&b.key) };
            by_value.then_with(by_name)
        });
        rows.truncate(limit);
        Ok(rows)
    }

    /// The rows of a breakdown from the spans themselves.
    async fn scanned_rows(&self, scope: &Scope, by: &By, minutes: f64) -> Result<Vec<BreakdownRow>, QueryError> {
        let is_run = by.is_run();
        let mut sums = common(&is_run)?;
        let run_duration = cast(col("duration_us"), DataType::Float64);
        sums.extend([
            min(col("provider")).filter(is_call()).build()?.alias("provider"),
            max(col("provider")).filter(is_call()).build()?.alias("last_provider"),
            avg(run_duration).filter(is_run.clone()).build()?.alias("run_mean"),
            percentile(is_run.clone(), 0.5, "run_p50")?,
            percentile(is_run, 0.95, "run_p95")?,
        ]);
        let batches = self.spans_of(Reading::Much, scope).await?.aggregate(vec![by.key().alias("key")], sums)?.collect().await?;
        Ok(batches.iter().flat_map(|batch| breakdown_rows(batch, minutes)).collect())
    }

    /// The most frequent values of a field that begin so, whatever the case of letters. `tag` is the names of tags.
    ///
    /// # Errors
    ///
    /// As [`summary`](Project::summary); also when there is no such field.
    pub async fn facets(&self, scope: &Scope, field: &str, prefix: &str, limit: usize) -> Result<Vec<Facet>, QueryError> {
        let names_of_tags = field == "tag";
        let value = if names_of_tags { text::json_names(col("tags")) } else { fields::texts(field)? };
        let counted = self
            .spans_of(Reading::Much, scope)
            .await?
            .select(vec![value.alias("value")])?
            .filter(col("value").is_not_null())?
            .aggregate(vec![col("value")], vec![count(lit(1)).alias("count")])?;
        let mut counts: HashMap<String, u64> = HashMap::new();
        for batch in counted.collect().await? {
            let (value, count) = (Column::of(&batch, "value"), Column::of(&batch, "count"));
            for row in 0..batch.num_rows() {
                let (Some(value), count) = (value.text(row), count.count(row)) else { continue };
                let values = if names_of_tags { value.lines().map(str::to_owned).collect() } else { vec![value] };
                values.into_iter().for_each(|value| *counts.entry(value).or_default() += count);
            }
        }
        let prefix = prefix.to_lowercase();
        let mut facets: Vec<Facet> = counts.into_iter().map(|(value, count)| Facet { value, count }).collect();
        facets.retain(|facet| facet.value.to_lowercase().starts_with(&prefix));
        facets.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        facets.truncate(limit);
        Ok(facets)
    }

    /// Which of these traces have a span in the scope.
    ///
    /// # Errors
    ///
    /// As [`summary`](Project::summary).
    pub async fn matching(&self, scope: &Scope, among: &[TraceId]) -> Result<HashSet<TraceId>, QueryError> {
        if among.is_empty() {
            return Ok(HashSet::new());
        }
        let ids = among.iter().map(|id| lit(id.to_string())).collect();
        let table = self.spans_of(Reading::Little, scope).await?.filter(col("trace_id").in_list(ids, false))?;
        let batches = table.select_columns(&["trace_id"])?.distinct()?.collect().await?;
        Ok(batches.iter().flat_map(|batch| texts(batch, "trace_id")).filter_map(|id| id.parse().ok()).collect())
    }

    /// Start of the oldest span, in microseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    pub async fn oldest(&self) -> Result<Option<i64>, QueryError> {
        Ok(self.bounds().await?.map(|(first, _)| first))
    }

    /// The range of a scope; where it is open, that of the spans kept.
    async fn ends(&self, scope: &Scope) -> Result<(i64, i64), QueryError> {
        if scope.from_us != i64::MIN && scope.to_us != i64::MAX {
            return Ok((scope.from_us, scope.to_us));
        }
        let (first, last) = self.bounds().await?.unwrap_or((0, -1));
        let from_us = if scope.from_us == i64::MIN { first } else { scope.from_us };
        let to_us = if scope.to_us == i64::MAX { last + 1 } else { scope.to_us };
        Ok((from_us, to_us.max(from_us)))
    }

    async fn bounds(&self) -> Result<Option<(i64, i64)>, QueryError> {
        let ends = vec![min(col("start_time")).alias("first"), max(col("start_time")).alias("last")];
        let batches = self.table(Reading::Much, i64::MIN, i64::MAX)?.aggregate(vec![], ends)?.collect().await?;
        let ends = batches
            .iter()
            .find(|batch| batch.num_rows() > 0)
            .map(|batch| (Column::of(batch, "first").int(0), Column::of(batch, "last").int(0)));
        Ok(ends.and_then(|(first, last)| first.zip(last)))
    }
}

/// What each bucket of each line adds up to.
type Lines = BTreeMap<Option<String>, BTreeMap<i64, Totals>>;

/// A sum that the query engine would show as nothing when it is negative.
fn tokens(sum: i64) -> u64 {
    u64::try_from(sum).unwrap_or(0)
}

fn rolled_usd(sums: &Sums) -> Usd {
    Usd(i64::try_from(sums.cost).unwrap_or(if sums.cost < 0 { i64::MIN } else { i64::MAX }))
}

fn rolled_cost(calls: &Sums) -> Option<f64> {
    dollars((calls.priced > 0).then(|| rolled_usd(calls)), calls.spans)
}

fn rolled_percentiles(side: &Side) -> Percentiles {
    Percentiles { p50: side.percentile_ms(0.5), p95: side.percentile_ms(0.95), p99: side.percentile_ms(0.99) }
}

fn rolled_summary(parts: &Parts, (traces, users): (u64, u64)) -> Summary {
    let totals = parts.totals();
    let calls = &totals.calls;
    Summary {
        spans: totals.spans,
        traces,
        llm_calls: calls.sums.spans,
        failed_llm_calls: calls.failed,
        errors: 0,
        input_tokens: tokens(calls.sums.input_tokens),
        output_tokens: tokens(calls.sums.output_tokens),
        cost: rolled_cost(&calls.sums),
        estimated_calls: totals.estimated.spans,
        estimated_input_tokens: tokens(totals.estimated.input_tokens),
        estimated_output_tokens: tokens(totals.estimated.output_tokens),
        estimated_cost: rolled_usd(&totals.estimated).dollars(),
        unpriced_calls: calls.sums.unpriced,
        duration_ms: rolled_percentiles(calls),
        runs: totals.runs.sums.spans,
        failed_runs: totals.runs.failed,
        new_input_tokens: tokens(calls.sums.usage_input),
        cache_read_tokens: tokens(calls.sums.cache_read),
        cache_write_tokens: tokens(calls.sums.cache_write),
        reasoning_tokens: tokens(calls.sums.reasoning),
        calls_without_usage: totals.calls_without_usage,
        unpriced_models: parts.unpriced_models(),
        users,
    }
}

/// A measure of what was added up.
fn measured(measure: Measure, totals: &Totals) -> Option<f64> {
    let calls = &totals.calls;
    match measure {
        Measure::Calls => Some(calls.sums.spans as f64),
        Measure::Failed => Some(calls.failed as f64),
        Measure::Cost => Some(rolled_usd(&calls.sums).dollars()),
        Measure::InputTokens => Some(calls.sums.input_tokens as f64),
        Measure::OutputTokens => Some(calls.sums.output_tokens as f64),
        Measure::NewInputTokens => Some(calls.sums.usage_input as f64),
        Measure::CacheReadTokens => Some(calls.sums.cache_read as f64),
        Measure::CacheWriteTokens => Some(calls.sums.cache_write as f64),
        Measure::ReasoningTokens => Some(calls.sums.reasoning as f64),
        Measure::DurationP50 => calls.percentile_ms(0.5),
        Measure::DurationP95 => calls.percentile_ms(0.95),
        Measure::DurationP99 => calls.percentile_ms(0.99),
        Measure::Runs => Some(totals.runs.sums.spans as f64),
        Measure::Spans | Measure::Errors => Some(totals.spans as f64),
    }
}

/// How a measure is made from spans.
fn aggregate(measure: Measure) -> Result<Expr, QueryError> {
    let name = measure.name();
    match measure {
        Measure::Calls => how_many(is_call(), name),
        Measure::Failed => how_many(is_call().and(is_failed()), name),
        Measure::Cost => sum_of_calls(col("cost"), name),
        Measure::InputTokens => sum_of_calls(col("input_tokens"), name),
        Measure::OutputTokens => sum_of_calls(col("output_tokens"), name),
        Measure::NewInputTokens => sum_of_calls(col("usage_input"), name),
        Measure::CacheReadTokens => sum_of_calls(col("usage_cache_read"), name),
        Measure::CacheWriteTokens => sum_of_calls(cache_writes(), name),
        Measure::ReasoningTokens => sum_of_calls(col("usage_reasoning"), name),
        Measure::DurationP50 => percentile(is_call(), 0.5, name),
        Measure::DurationP95 => percentile(is_call(), 0.95, name),
        Measure::DurationP99 => percentile(is_call(), 0.99, name),
        Measure::Runs => how_many(col("is_run"), name),
        Measure::Spans | Measure::Errors => Ok(count(lit(1)).alias(name)),
    }
}

/// Lines by what they add up to; those of nothing but zeros are left out, unless it is the only one.
fn largest(lines: BTreeMap<Option<String>, Vec<Option<f64>>>, starts: &[String]) -> Vec<Group> {
    let size = |values: &[Option<f64>]| values.iter().flatten().sum::<f64>();
    let only = lines.len() == 1;
    let mut lines: Vec<_> = lines.into_iter().filter(|(_, values)| only || size(values) > 0.0).collect();
    lines.sort_by(|(_, a), (_, b)| size(b).total_cmp(&size(a)));
    lines.truncate(MOST_GROUPS);
    let points = |values: Vec<Option<f64>>| starts.iter().cloned().zip(values).collect();
    lines.into_iter().map(|(key, values)| Group { key, points: points(values) }).collect()
}

type Order = fn(&BreakdownRow) -> Option<f64>;

/// What the rows of a breakdown can be sorted by.
const ORDERS: &[(&str, Order)] = &[
    ("cost", |row| row.cost),
    ("llm_calls", |row| Some(row.llm_calls as f64)),
    ("failed_llm_calls", |row| Some(row.failed_llm_calls as f64)),
    ("input_tokens", |row| Some(row.input_tokens as f64)),
    ("output_tokens", |row| Some(row.output_tokens as f64)),
    ("unpriced_calls", |row| Some(row.unpriced_calls as f64)),
    ("duration_p50", |row| row.duration_ms.p50),
    ("duration_p95", |row| row.duration_ms.p95),
    ("runs", |row| Some(row.runs as f64)),
    ("failed_runs", |row| Some(row.failed_runs as f64)),
    ("run_duration_mean", |row| row.run_duration_ms.mean),
    ("run_duration_p95", |row| row.run_duration_ms.p95),
    ("spans", |row| Some(row.spans as f64)),
    ("key", |_| None),
];

fn breakdown_rows(batch: &RecordBatch, minutes: f64) -> Vec<BreakdownRow> {
    let column = |name: &str| Column::of(batch, name);
    let row = |row: usize| {
        let number = |name: &str| column(name).count(row);
        let (llm_calls, runs) = (number("llm_calls"), number("runs"));
        let provider = column("provider").text(row);
        BreakdownRow {
            key: column("key").text(row),
            spans: number("spans"),
            llm_calls,
            failed_llm_calls: number("failed_llm_calls"),
            input_tokens: number("input_tokens"),
            output_tokens: number("output_tokens"),
            cost: dollars(column("cost").usd(row), llm_calls),
            unpriced_calls: number("unpriced_calls"),
            duration_ms: Percentiles::of(batch, row),
            cache_read_tokens: number("cache_read_tokens"),
            cache_write_tokens: number("cache_write_tokens"),
            reasoning_tokens: number("reasoning_tokens"),
            estimated_calls: number("estimated_calls"),
            estimated_cost: column("estimated_cost").usd(row).unwrap_or_default().dollars(),
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

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = Column::of(batch, name);
    (0..batch.num_rows()).filter_map(|row| column.text(row)).collect()
}
