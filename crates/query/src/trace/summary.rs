//! Totals of a trace.

use std::collections::{HashMap, HashSet};

use hinomi_model::api_time::rfc3339;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::span::{self, SpanStatus, SpanType};

use super::LoadedSpan;
use super::tree::is_unpriced;
use crate::aggregate::summary::cost_in_dollars;
use crate::response::TraceSummary;

/// Maximum number of characters in the preview of an error.
const MAX_PREVIEW_CHARACTERS: usize = 200;

/// Returns the totals of a trace. The spans are ordered by start.
pub(crate) fn summarize(loaded: &[LoadedSpan]) -> TraceSummary {
    let spans = || loaded.iter().map(LoadedSpan::span);
    let root = spans().find(|span| span.parent_span_id.is_none()).or_else(|| spans().next());
    let start_us = spans().map(|span| span.start_us).min().unwrap_or(0);
    let end_us = spans().map(|span| span.end_us).max().unwrap_or(start_us);
    let calls: Vec<&LoadedSpan> = loaded.iter().filter(|loaded| loaded.span().is_call() && loaded.span().counted).collect();
    let billed: Vec<&LoadedSpan> = loaded.iter().filter(|loaded| loaded.span().is_billed()).collect();
    let sum = |of: fn(&span::Span) -> u64| calls.iter().map(|call| of(call.span())).fold(0u64, u64::saturating_add);
    let sum_of_billed = |of: fn(&span::Span) -> u64| billed.iter().map(|one| of(one.span())).fold(0u64, u64::saturating_add);
    let known_cost = billed.iter().filter_map(|one| one.span().cost.as_ref().map(|cost| cost.total)).reduce(|sum, cost| sum + cost);
    let cost = cost_in_dollars(known_cost, calls.len() as u64);
    let first = |of: fn(&span::Span) -> Option<&String>| spans().find_map(of).cloned();
    TraceSummary {
        trace_id: root.map(|root| root.trace_id.to_string()).unwrap_or_default(),
        root_span_id: root.map(|root| root.span_id.to_string()),
        name: root.map(|root| root.name.clone()).unwrap_or_default(),
        title: root.and_then(|root| root.title.clone()),
        op: root.map(|root| root.op.clone()).unwrap_or_default(),
        status: root.map_or(SpanStatus::Ok, |root| root.status).as_str(),
        start_time: rfc3339(start_us),
        duration_ms: (end_us - start_us) as f64 / 1000.0,
        span_count: loaded.len() as u64,
        llm_calls: calls.len() as u64,
        failed_llm_calls: sum(|span| u64::from(span.status == SpanStatus::Error)),
        retries: retries(&calls),
        tool_calls: tool_calls(loaded),
        error_count: 0,
        error_preview: first_failure(loaded).and_then(error_preview),
        scores: Vec::new(),
        findings: Vec::new(),
        wasted_cost: None,
        input_tokens: sum_of_billed(|span| span.usage.input_tokens().unwrap_or(0)),
        output_tokens: sum_of_billed(|span| span.usage.output_tokens().unwrap_or(0)),
        total_tokens: sum_of_billed(|span| span.usage.total.unwrap_or(0)),
        calls_without_usage: sum(|span| u64::from(span.status == SpanStatus::Ok && span.usage.is_unknown())),
        cost,
        unpriced_calls: sum(|span| u64::from(is_unpriced(span))),
        estimated_calls: sum(|span| u64::from(span.is_estimated())),
        estimated_cost: {
            let estimated = || calls.iter().map(|call| call.span()).filter(|span| span.is_estimated());
            let known = estimated().filter_map(|span| span.cost.as_ref()).map(|cost| cost.total);
            cost_in_dollars(known.reduce(|sum, cost| sum + cost), estimated().count() as u64)
        },
        models: models(&billed),
        user_id: first(|span| span.user_id.as_ref()),
        session_id: first(|span| span.session_id.as_ref()),
        environment: first(|span| span.environment.as_ref()),
        release: first(|span| span.release.as_ref()),
        pipeline: spans().find(|span| span.is_run).and_then(|span| span.pipeline.clone()),
        input_preview: previews(&calls, loaded).find_map(|call| call.input_preview.clone()),
        output_preview: previews(&calls, loaded).rev().find_map(|call| call.output_preview.clone()),
    }
}

impl TraceSummary {
    /// Returns the summary of a trace that has only error events or log lines and no stored spans. The two times are its start and end, in
    /// microseconds since the Unix epoch.
    pub fn without_spans(trace_id: TraceId, name: String, times_us: (i64, i64), has_errors: bool) -> TraceSummary {
        let (start_us, end_us) = times_us;
        TraceSummary {
            trace_id: trace_id.to_string(),
            name,
            status: if has_errors { SpanStatus::Error } else { SpanStatus::Ok }.as_str(),
            start_time: rfc3339(start_us),
            duration_ms: end_us.saturating_sub(start_us) as f64 / 1000.0,
            ..summarize(&[])
        }
    }
}

/// Returns the calls from which previews are taken: counted ones, or all calls if only excluded reports have messages.
fn previews<'a>(calls: &[&'a LoadedSpan], loaded: &'a [LoadedSpan]) -> impl DoubleEndedIterator<Item = &'a LoadedSpan> + use<'a> {
    let told = calls.iter().any(|call| call.has_messages());
    loaded.iter().filter(move |one| one.span().is_call() && (one.span().counted || !told))
}

/// Returns the reason in the status of a failed span, shortened to the length of a preview.
pub(crate) fn error_preview(span: &span::Span) -> Option<String> {
    let detail = span.status_detail.as_deref().filter(|_| span.status == SpanStatus::Error)?;
    Some(detail.chars().take(MAX_PREVIEW_CHARACTERS).collect())
}

/// Returns the first span that failed on its own, not because a span below it failed. Spans with a reason come first.
fn first_failure(loaded: &[LoadedSpan]) -> Option<&span::Span> {
    let failed = || loaded.iter().map(LoadedSpan::span).filter(|span| span.status == SpanStatus::Error);
    let above: HashSet<SpanId> = failed().filter_map(|span| span.parent_span_id).collect();
    failed().min_by_key(|span| (span.status_detail.is_none(), above.contains(&span.span_id)))
}

/// Cost of the calls of a model.
struct ModelCost<'a> {
    model: &'a str,
    cost: Option<Usd>,
    /// Whether all calls are embeddings.
    embeds_only: bool,
}

/// Returns the models of calls, the most expensive first, and those of unknown cost by first use. If the cost of a language model is
/// unknown, embedding models come last, since they cost little. A call without a response is ignored if another call with the same
/// requested model has an answering model.
fn models(calls: &[&LoadedSpan]) -> Vec<String> {
    let spans = || calls.iter().map(|call| call.span());
    let answered: HashSet<&str> =
        spans().filter(|span| span.response_model.is_some()).filter_map(|span| span.request_model.as_deref()).collect();
    let mut costs: Vec<ModelCost> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for span in spans() {
        let Some(model) = span.model() else { continue };
        let is_other_report = span.response_model.is_none() && span.status != SpanStatus::Ok && answered.contains(model);
        let place = match places.get(model) {
            Some(place) => *place,
            None if is_other_report => continue,
            None => {
                places.insert(model, costs.len());
                costs.push(ModelCost { model, cost: None, embeds_only: true });
                costs.len() - 1
            }
        };
        let known = &mut costs[place];
        known.embeds_only &= span.kind == SpanType::Embedding;
        known.cost = span.cost.as_ref().map(|cost| known.cost.unwrap_or(Usd::ZERO) + cost.total).or(known.cost);
    }
    let is_unknown = costs.iter().any(|one| one.cost.is_none() && !one.embeds_only);
    // The sort is stable: models of equal cost stay in the order of first use.
    costs.sort_by_key(|one| (is_unknown && one.embeds_only, std::cmp::Reverse(one.cost)));
    costs.into_iter().map(|one| one.model.to_owned()).collect()
}

/// Returns the number of failed calls after whose end a successful call began that repeats them: with the same op, requested model and
/// input, or, if no input is recorded, the same parent.
fn retries(calls: &[&LoadedSpan]) -> u64 {
    type LogicalCall<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<SpanId>);
    fn logical_call(call: &LoadedSpan) -> LogicalCall<'_> {
        let (span, input) = (call.span(), call.input_preview.as_deref());
        let requested = span.request_model.as_deref().or(span.response_model.as_deref());
        (span.op.as_str(), requested, input, if input.is_none() { span.parent_span_id } else { None })
    }
    let mut last_success: HashMap<LogicalCall, i64> = HashMap::new();
    for call in calls.iter().filter(|call| call.span().status == SpanStatus::Ok) {
        let known = last_success.entry(logical_call(call)).or_insert(i64::MIN);
        *known = call.span().start_us.max(*known);
    }
    let is_retried = |call: &&&LoadedSpan| last_success.get(&logical_call(call)).is_some_and(|start_us| *start_us >= call.span().end_us);
    calls.iter().filter(|call| call.span().status == SpanStatus::Error).filter(is_retried).count() as u64
}

/// Returns the number of tool calls. Several spans may report the same tool call; a span without an ID counts on its own.
fn tool_calls(loaded: &[LoadedSpan]) -> u64 {
    let tools = || loaded.iter().map(LoadedSpan::span).filter(|span| span.kind == SpanType::Tool);
    let ids: HashSet<&str> = tools().filter_map(|span| span.tool_call_id.as_deref()).collect();
    (ids.len() + tools().filter(|span| span.tool_call_id.is_none()).count()) as u64
}
