//! Whole traces: their spans and their totals.

mod evaluation_targets;
mod full_traces;
pub(crate) mod span_detail;
pub(crate) mod span_facts;
pub(crate) mod summary;
pub(crate) mod tree;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::prelude::{Expr, col, lit};
use datafusion::scalar::ScalarValue;
use hinomi_model::api_time::rfc3339;
use hinomi_model::failure::FailureCause;
use hinomi_model::hints::{self, HintEvidence};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::span;
use hinomi_store::rollup::{DenseDurationHistogram, DurationHistogram, HOUR_US};
use hinomi_store::rows::{SpanRow, from_batch};
use hinomi_store::snapshot::SegmentView;

use super::aggregate::rollup::{RollupSelection, select_hours};
use super::aggregate::summary::{has_counted_cost, is_call};
use super::error::QueryError;
use super::filter::fields::join_balanced;
use super::filter::{Filter, FilterTerm, json_text};
use super::response::{
    CallCost, CallUsage, DuplicateReportView, DurationComparison, DurationPercentiles, ReportingSdk, SubtreeTotals, TraceDetail, UsageUnits,
};
use super::scan::columns::BatchColumn;
use super::scan::row_lookup::{LIST_SCHEMA, columns_of, project_columns};
use super::trace::span_facts::SpanExclusion;
use super::trace::summary::{error_preview, summarize};
use super::trace::tree::{SpanTreeTotals, tree_totals};
pub use evaluation_targets::{CallOutline, RunOutline};
pub use full_traces::FullTraces;

use super::{ProjectSnapshot, QueryScope, ScanMode, response};

/// Time before a trace in which similar spans are compared, in microseconds.
const COMPARISON_PERIOD_US: i64 = 7 * 86_400_000_000;
/// Maximum number of spans of several traces in memory at the same time.
const MAX_LOADED_ROWS: usize = 50_000;
/// Maximum number of durations of similar spans that are kept exactly.
const MAX_EXACT_DURATIONS: usize = 1 << 16;
/// Minimum number of similar spans for a comparison.
const MIN_COMPARED_SPANS: u64 = 5;

/// A span as it was read, with the stored previews.
#[derive(Debug, Clone)]
pub(super) struct LoadedSpan {
    pub(super) row: SpanRow,
    pub(super) input_preview: Option<String>,
    pub(super) output_preview: Option<String>,
}

impl LoadedSpan {
    pub(super) fn all(batches: &[RecordBatch]) -> Vec<LoadedSpan> {
        let of_batch = |batch: &RecordBatch| {
            let (input, output) = (BatchColumn::of(batch, "input_preview"), BatchColumn::of(batch, "output_preview"));
            let rows = from_batch(batch).into_iter().enumerate();
            rows.map(|(at, row)| LoadedSpan { row, input_preview: input.text(at), output_preview: output.text(at) }).collect::<Vec<_>>()
        };
        batches.iter().flat_map(of_batch).collect()
    }

    pub(super) fn span(&self) -> &span::Span {
        &self.row.span
    }

    pub(super) fn has_messages(&self) -> bool {
        self.input_preview.is_some() || self.output_preview.is_some()
    }
}

impl ProjectSnapshot {
    /// Returns all spans of a trace by start, and the reservation of their memory. Returns no spans if the trace does not exist.
    pub(super) async fn load_trace(&self, trace: TraceId) -> Result<(Vec<LoadedSpan>, MemoryReservation), QueryError> {
        let (loaded, reserved) = self.load(vec![trace], usize::MAX).await?;
        Ok((loaded.and_then(|mut loaded| loaded.remove(&trace)).unwrap_or_default(), reserved))
    }

    /// Calls `work` with the spans of each of these traces, ordered by start. If the traces have many spans, reads a few traces at a
    /// time.
    pub(super) async fn each_trace(&self, traces: &[TraceId], mut work: impl FnMut(TraceId, Vec<LoadedSpan>)) -> Result<(), QueryError> {
        let mut parts = vec![traces.to_vec()];
        while let Some(ids) = parts.pop().filter(|ids| !ids.is_empty()) {
            let most_rows = if ids.len() > 1 { MAX_LOADED_ROWS } else { usize::MAX };
            let (first, second) = ids.split_at(ids.len() / 2);
            match self.load(ids.clone(), most_rows).await? {
                (Some(loaded), _reserved) => loaded.into_iter().for_each(|(trace, spans)| work(trace, spans)),
                (None, _) => parts.extend([second.to_vec(), first.to_vec()]),
            }
        }
        Ok(())
    }

    async fn load(
        &self,
        ids: Vec<TraceId>,
        most_rows: usize,
    ) -> Result<(Option<HashMap<TraceId, Vec<LoadedSpan>>>, MemoryReservation), QueryError> {
        let read = move |project: &ProjectSnapshot| {
            let reserved = project.engine.reserve("spans of traces");
            let Some(found) = project.rows_of_traces(&ids, &LIST_SCHEMA, most_rows, &reserved)? else { return Ok((None, reserved)) };
            let mut by_trace: HashMap<TraceId, Vec<LoadedSpan>> = HashMap::new();
            for loaded in LoadedSpan::all(&found) {
                by_trace.entry(loaded.span().trace_id).or_default().push(loaded);
            }
            for spans in by_trace.values_mut() {
                // Of spans with the same start, the enclosing one comes first.
                spans.sort_by_key(|loaded| (loaded.span().start_us, std::cmp::Reverse(loaded.span().end_us), loaded.span().span_id));
            }
            Ok((Some(by_trace), reserved))
        };
        self.run_reading(read).await
    }

    /// Returns a trace with all its spans; `None` if it does not exist. The time hint is not used, because IDs have indexes.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn trace(&self, trace: &TraceId, _at_us: Option<i64>) -> Result<Option<TraceDetail>, QueryError> {
        let (loaded, _reserved) = self.load_trace(*trace).await?;
        if loaded.is_empty() {
            return Ok(None);
        }
        let mut medians = self.median_durations(&loaded).await?;
        let tree = tree_totals(&loaded.iter().map(LoadedSpan::span).collect::<Vec<_>>());
        let spans = loaded.iter().zip(&tree).map(|(loaded, in_tree)| {
            let compared = medians.compare(loaded.span());
            span_response(loaded, in_tree, compared)
        });
        Ok(Some(TraceDetail { spans: spans.collect(), trace: summarize(&loaded), hints: client_hints(&loaded) }))
    }

    /// Returns the median durations of spans that are similar to the spans of a trace, in the seven days before the trace. The period
    /// starts at a full hour.
    pub(super) async fn median_durations(&self, loaded: &[LoadedSpan]) -> Result<MedianDurations, QueryError> {
        let Some(start_us) = loaded.iter().map(|loaded| loaded.span().start_us).min() else { return Ok(MedianDurations::default()) };
        let kinds: HashSet<(String, String)> = loaded.iter().map(|loaded| (loaded.span().op.clone(), loaded.span().name.clone())).collect();
        self.run_reading(move |project| project.median_durations_of(kinds, start_us)).await
    }

    fn median_durations_of(&self, kinds: HashSet<(String, String)>, until_us: i64) -> Result<MedianDurations, QueryError> {
        let from_us = until_us.saturating_sub(COMPARISON_PERIOD_US).div_euclid(HOUR_US).saturating_mul(HOUR_US);
        let mut medians = MedianDurations::default();
        for (op, name) in kinds {
            medians.0.entry(op).or_default().insert(name, DurationSamples::default());
        }
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_contain(self.project, from_us, until_us);
        let views: Vec<Arc<SegmentView>> = self.snapshot.segments.iter().filter(may_hold).cloned().collect();
        // With few rows, reading them is as fast, and exact.
        let is_much = views.iter().map(|view| view.segment.rows).sum::<u64>() >= self.engine.min_rollup_rows;
        let (stored, rest) = select_hours(views, self.project, from_us, until_us, |hour| is_much && hour.names.is_some());
        for RollupSelection { rollup, indexes, .. } in stored {
            let text = |place: u32| rollup.texts.get(place as usize)?.as_deref();
            for named in indexes.iter().filter_map(|hour| rollup.hours[*hour].names.as_ref()).flatten() {
                if let Some((op, name)) = text(named.op).zip(text(named.name))
                    && let Some(durations) = medians.get(op, name)
                {
                    durations.add_bins(&named.durations, named.duration_range_us);
                }
            }
        }
        let columns = columns_of(|name| ["project_id", "start_time", "op", "name", "duration_us"].contains(&name));
        for batch in &self.snapshot.buffer {
            self.add_durations(&mut medians, &project_columns(batch, &columns)?, from_us, until_us);
        }
        for unit in self.split_rows(rest, from_us, until_us)? {
            self.check_cancelled()?;
            let batch = self.engine.footers.open(&unit.view.segment)?.rows(&unit.rows, &columns)?;
            self.add_durations(&mut medians, &batch, from_us, until_us);
        }
        Ok(medians)
    }

    fn add_durations(&self, medians: &mut MedianDurations, batch: &RecordBatch, from_us: i64, until_us: i64) {
        let [project, start, op, name, duration] =
            ["project_id", "start_time", "op", "name", "duration_us"].map(|name| batch.column_by_name(name));
        let (Some(project), Some(start), Some(op), Some(name), Some(duration)) = (project, start, op, name, duration) else { return };
        let (project, start) = (project.as_primitive::<Int64Type>(), start.as_primitive::<TimestampMicrosecondType>());
        let (op, name, duration) = (op.as_string_view(), name.as_string_view(), duration.as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            if project.value(row) == self.stored_id()
                && (from_us..until_us).contains(&start.value(row))
                && duration.is_valid(row)
                && let Some(durations) = medians.get(op.value(row), name.value(row))
            {
                durations.add(duration.value(row));
            }
        }
    }

    /// Returns the spans of a trace, by start, if their names, prompts or answers contain a text. The comparison ignores case.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn spans_containing(&self, trace: TraceId, text: &str) -> Result<Vec<SpanId>, QueryError> {
        let filter = Filter(vec![FilterTerm::InTraces(Arc::new(HashSet::from([trace])))]);
        let names =
            ["name", "title", "op", "model", "tool", "agent", "status_detail"].map(|column| json_text::text_contains(col(column), text));
        let messages = ["input_messages", "output_messages"].map(|column| json_text::messages_hold(col(column), text));
        let holds = join_balanced(names.into_iter().chain(messages).collect(), Expr::or).unwrap_or_else(|| lit(false));
        let rows = self.spans_in_scope(ScanMode::FewRows, &QueryScope { filter, ..QueryScope::all() }).await?.filter(holds)?;
        let sort = vec![col("start_time").sort(true, false), col("span_id").sort(true, false)];
        let batches = rows.select_columns(&["span_id", "start_time"])?.sort(sort)?.collect().await?;
        let of_batch = |batch: &RecordBatch| {
            let ids = BatchColumn::of(batch, "span_id");
            (0..batch.num_rows()).filter_map(|row| ids.text(row)?.parse().ok()).collect::<Vec<SpanId>>()
        };
        Ok(batches.iter().flat_map(of_batch).collect())
    }

    /// Returns the spans of a trace by start, without messages and attributes; empty if the trace does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn rows_of_trace(&self, trace: TraceId) -> Result<Vec<SpanRow>, QueryError> {
        let (spans, _reserved) = self.load_trace(trace).await?;
        Ok(spans.into_iter().map(|loaded| loaded.row).collect())
    }

    /// Returns the traces with an agent that reports usage and was received since a time, in microseconds since the Unix epoch. Agents that
    /// started more than an hour before that time are ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn traces_with_agent_usage(&self, received_since_us: i64) -> Result<Vec<TraceId>, QueryError> {
        // A new server need not prepare the query engine, which takes some memory.
        if self.snapshot.segments.is_empty() && self.snapshot.buffer.is_empty() {
            return Ok(Vec::new());
        }
        let is_sum = col("kind").eq(lit("agent")).and(col("usage_input").is_not_null().or(col("usage_output").is_not_null()));
        let since = lit(ScalarValue::TimestampMicrosecond(Some(received_since_us), Some("UTC".into())));
        let table = self.table(ScanMode::FewRows, received_since_us.saturating_sub(HOUR_US), i64::MAX)?;
        let table = table.filter(is_sum.and(col("received_at").gt_eq(since)))?.select_columns(&["trace_id"])?.distinct()?;
        let ids = |batch: &RecordBatch| {
            let ids = BatchColumn::of(batch, "trace_id");
            (0..batch.num_rows()).filter_map(|row| ids.text(row)?.parse().ok()).collect::<Vec<TraceId>>()
        };
        Ok(table.collect().await?.iter().flat_map(ids).collect())
    }

    /// Returns the cost of each trace, out of the given ones, that has calls or other costs; `None` for an unknown cost.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn trace_costs(&self, traces: &[TraceId]) -> Result<HashMap<TraceId, Option<Usd>>, QueryError> {
        if traces.is_empty() {
            return Ok(HashMap::new());
        }
        let table = self.table(ScanMode::FewRows, i64::MIN, i64::MAX)?.filter(is_trace_in(traces))?;
        let table = table.filter(is_call().or(has_counted_cost()))?;
        let sums =
            table.aggregate(vec![col("trace_id")], vec![datafusion::functions_aggregate::expr_fn::sum(col("cost")).alias("cost")])?;
        let mut costs = HashMap::new();
        for batch in sums.collect().await? {
            let (id, cost) = (BatchColumn::of(&batch, "trace_id"), BatchColumn::of(&batch, "cost"));
            for at in 0..batch.num_rows() {
                if let Some(id) = id.text(at).and_then(|id| id.parse().ok()) {
                    costs.insert(id, cost.usd(at));
                }
            }
        }
        Ok(costs)
    }
}

/// Durations of spans by op and name.
#[derive(Debug, Default)]
pub(super) struct MedianDurations(HashMap<String, HashMap<String, DurationSamples>>);

/// Durations in microseconds.
#[derive(Debug, Default)]
struct DurationSamples {
    /// Exact durations, as long as they are few.
    exact: Vec<i64>,
    /// Histogram of all other durations.
    histogram: DenseDurationHistogram,
    /// Number of durations in the histogram.
    histogram_count: u64,
    /// Shortest and longest of all durations.
    range: Option<(i64, i64)>,
}

impl DurationSamples {
    fn add(&mut self, us: i64) {
        self.widen_range((us, us));
        self.exact.push(us);
        if self.exact.len() >= MAX_EXACT_DURATIONS {
            self.bin_exact();
        }
    }

    fn add_bins(&mut self, bins: &DurationHistogram, range: (i64, i64)) {
        self.widen_range(range);
        self.histogram.add(bins);
        self.histogram_count += bins.iter().map(|(_, count)| u64::from(count)).sum::<u64>();
    }

    fn widen_range(&mut self, range: (i64, i64)) {
        self.range = Some(self.range.map_or(range, |known| (known.0.min(range.0), known.1.max(range.1))));
    }

    /// Moves the exact durations to the histogram.
    fn bin_exact(&mut self) {
        self.histogram_count += self.exact.len() as u64;
        self.exact.drain(..).for_each(|us| self.histogram.add_value(us));
    }

    /// Returns the median and the number of durations.
    fn median(&mut self) -> Option<(f64, u64)> {
        if self.histogram_count == 0 {
            self.exact.sort_unstable();
            let last = self.exact.len().checked_sub(1)?;
            return Some(((self.exact[last / 2] as f64 + self.exact[last.div_ceil(2)] as f64) / 2.0, self.exact.len() as u64));
        }
        self.bin_exact();
        Some((self.histogram.percentile(0.5, self.range)?, self.histogram_count))
    }
}

impl MedianDurations {
    fn get(&mut self, op: &str, name: &str) -> Option<&mut DurationSamples> {
        self.0.get_mut(op)?.get_mut(name)
    }

    pub(super) fn compare(&mut self, span: &span::Span) -> Option<DurationComparison> {
        let duration_us = span.duration_us()?;
        let (median_us, n) = self.get(&span.op, &span.name)?.median()?;
        let enough = n >= MIN_COMPARED_SPANS && median_us > 0.0;
        enough.then(|| DurationComparison { median_ms: median_us / 1000.0, n, ratio: duration_us as f64 / median_us })
    }
}

fn is_trace_in(traces: &[TraceId]) -> Expr {
    col("trace_id").in_list(traces.iter().map(|id| lit(id.to_string())).collect(), false)
}

/// Converts a span to the type that the API returns.
pub(super) fn span_response(loaded: &LoadedSpan, in_tree: &SpanTreeTotals, compared: Option<DurationComparison>) -> response::SpanSummary {
    let span = loaded.span();
    let below = in_tree.subtree;
    let ms = |us: i64| us as f64 / 1000.0;
    response::SpanSummary {
        project_id: loaded.row.project_id,
        trace_id: span.trace_id.to_string(),
        span_id: span.span_id.to_string(),
        parent_span_id: span.parent_span_id.map(|id| id.to_string()),
        name: span.name.clone(),
        title: span.title.clone(),
        op: span.op.clone(),
        kind: span.kind.as_str(),
        operation: span.operation.clone(),
        origin: span.origin.clone(),
        provider: span.provider.clone(),
        provider_inferred: span.provider_inferred,
        model: span.model().map(str::to_owned),
        request_model: span.request_model.clone(),
        response_model: span.response_model.clone(),
        status: span.status.as_str(),
        status_detail: span.status_detail.clone(),
        failure: span.failure.map(FailureCause::as_str),
        error_preview: error_preview(span),
        scores: Vec::new(),
        findings: Vec::new(),
        incomplete: span.is_incomplete(),
        start_time: rfc3339(span.start_us),
        duration_ms: span.duration_us().map(ms),
        time_source: span.time_source.as_str(),
        time_to_first_token_ms: span.time_to_first_token_us.map(ms),
        streaming: span.streaming,
        usage: call_usage(&span.usage),
        cost: shown_cost(span).map(|cost| call_cost(span, &cost)),
        client_cost: span.client_cost.map(Usd::dollars),
        subtree: SubtreeTotals {
            llm_calls: below.llm_calls,
            input_tokens: below.input_tokens,
            output_tokens: below.output_tokens,
            cost: below.cost.map(Usd::dollars),
            unpriced_calls: below.unpriced_calls,
            estimated_calls: below.estimated_calls,
        },
        self_time_ms: ms(in_tree.self_us),
        compared,
        counted: span.counted,
        exclusion: span.exclusion.as_ref().map(SpanExclusion::of),
        also_reported: span.also_reported.map(|other| DuplicateReportView {
            trace_id: other.trace_id.to_string(),
            span_id: other.span_id.to_string(),
            counts: other.counts,
        }),
        session_id: span.session_id.clone(),
        user_id: span.user_id.clone(),
        environment: span.environment.clone(),
        release: span.release.clone(),
        service: span.service.clone(),
        pipeline: span.pipeline.clone(),
        is_run: span.is_run,
        agent: span.agent.clone(),
        tool: span.tool.clone(),
        prompt: span.prompt.clone(),
        prompt_version: span.prompt_version.clone(),
        tags: span.tags.clone(),
        input_preview: loaded.input_preview.clone(),
        output_preview: loaded.output_preview.clone(),
        thread: span.thread.clone(),
        sdk: span.sdk_name.clone().map(|name| ReportingSdk { name, version: span.sdk_version.clone() }),
    }
}

fn call_usage(usage: &span::Usage) -> CallUsage {
    CallUsage {
        input_tokens: usage.input_tokens(),
        output_tokens: usage.output_tokens(),
        total_tokens: usage.total,
        cache_read_tokens: usage.cache_read,
        cache_write_tokens: usage.cache_write_tokens(),
        reasoning_tokens: usage.reasoning,
        input_audio_tokens: usage.input_audio,
        output_audio_tokens: usage.output_audio,
        input_image_tokens: usage.input_image,
        output_image_tokens: usage.output_image,
        units: UsageUnits {
            searches: usage.web_searches,
            images: usage.images,
            characters: usage.characters,
            audio_seconds: usage.audio_ms.map(|ms| ms as f64 / 1e3),
            rerank_units: usage.rerank_units,
        },
        source: usage.source.map(span::UsageSource::as_str),
    }
}

/// Returns the cost to show: that of a counted span, or the client's figure for a span that is neither a call nor another use of a model.
fn shown_cost(span: &span::Span) -> Option<Cow<'_, span::Cost>> {
    let figure = span.client_cost.filter(|_| !span.is_call() && !span.is_other_model_use());
    let figure = figure.map(|total| span::Cost { total, input: None, output: None, source: span::CostSource::Client, price: None });
    span.cost.as_ref().map(Cow::Borrowed).or_else(|| figure.map(Cow::Owned))
}

fn call_cost(span: &span::Span, cost: &span::Cost) -> CallCost {
    CallCost {
        total: cost.total.dollars(),
        input: cost.input.map(Usd::dollars),
        output: cost.output.map(Usd::dollars),
        source: cost.source.as_str(),
        estimated: span.is_estimated() && cost.source == span::CostSource::Computed,
        price: cost.price.clone(),
        client_total: span.client_cost.map(Usd::dollars),
        computed_total: None,
        buckets: None,
    }
}

/// Returns the hints about the clients of a trace's spans, each once.
fn client_hints(loaded: &[LoadedSpan]) -> Vec<HintEvidence> {
    let mut found: Vec<HintEvidence> = Vec::new();
    // Calls whose messages are available in another report.
    let instead = |one: &LoadedSpan| one.span().exclusion?.counted_in_trace();
    let told: HashSet<SpanId> = loaded.iter().filter(|one| one.has_messages()).filter_map(instead).collect();
    for one in loaded {
        let has_texts = one.has_messages() || told.contains(&one.span().span_id);
        for evidence in hints::evidence_in_span(one.span(), has_texts) {
            let alike = |known: &HintEvidence| {
                (known.hint, known.is_against, &known.subject, &known.sdk)
                    == (evidence.hint, evidence.is_against, &evidence.subject, &evidence.sdk)
            };
            if !found.iter().any(alike) {
                found.push(evidence);
            }
        }
    }
    found
}

impl DurationPercentiles {
    /// Reads the columns `p50`, `p95` and `p99`, which are in microseconds.
    pub(super) fn read_percentiles(batch: &RecordBatch, row: usize) -> DurationPercentiles {
        let ms = |name: &str| BatchColumn::of(batch, name).ms(row);
        DurationPercentiles { p50: ms("p50"), p95: ms("p95"), p99: ms("p99") }
    }
}
