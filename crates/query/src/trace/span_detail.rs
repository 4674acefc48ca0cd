//! Detail of one span.

use std::collections::HashMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::explain::{CostBasis, CostExplanation, CostLine, explain};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::normalize::parameters;
use hinomi_model::price::PriceBook;
use hinomi_model::span::{CostSource, Span};
use hinomi_model::span_links;

use super::span_facts::{FieldReading, LinkedSpan};
use super::tree::tree_totals;
use super::{LoadedSpan, span_response};
use crate::ProjectSnapshot;
use crate::error::QueryError;
use crate::response::{MessageSourceSpan, SpanDetail};

impl ProjectSnapshot {
    /// Returns a span as it is stored, without messages from other reports of the call; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if a file of the span cannot be read.
    pub async fn stored_span(&self, trace: TraceId, span: SpanId) -> Result<Option<Span>, QueryError> {
        let found = self.run_reading(move |project| project.rows_of_span(trace, span)).await?;
        Ok(LoadedSpan::all(&found).into_iter().next().map(|loaded| loaded.row.span))
    }

    /// Returns a span with its messages and attributes; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn span(
        &self,
        trace: &TraceId,
        span: &SpanId,
        _at_us: Option<i64>,
        prices: &PriceBook,
    ) -> Result<Option<SpanDetail>, QueryError> {
        let (of_trace, of_span) = (*trace, *span);
        let found = self.run_reading(move |project| project.rows_of_span(of_trace, of_span)).await?;
        let Some(full) = LoadedSpan::all(&found).into_iter().next() else { return Ok(None) };
        // Totals below the span and its self time depend on the other spans of the trace.
        let (mut trace_spans, _reserved) = self.load_trace(*trace).await?;
        if !trace_spans.iter().any(|loaded| loaded.span().span_id == *span) {
            trace_spans.push(full.clone());
        }
        let tree = tree_totals(&trace_spans.iter().map(LoadedSpan::span).collect::<Vec<_>>());
        let at = trace_spans.iter().position(|loaded| loaded.span().span_id == *span).unwrap_or(0);
        let compared = self.median_durations(&trace_spans).await?.compare(full.span());
        let mut summary = span_response(&full, &tree[at], compared);
        let explanation = explain(full.span(), &full.row.locally(), prices);
        if let (Some(shown), Some(stored), Some(read)) = (&mut summary.cost, &full.span().cost, &explanation.cost) {
            match stored.source {
                CostSource::Computed => shown.buckets = cost_buckets(read),
                CostSource::Client => shown.computed_total = read.computed,
            }
        }
        let clock_shift_ms = full.span().clock_shift_us as f64 / 1000.0;
        let received_at = rfc3339(full.row.received_us);
        let mut span = full.row.span;
        let links = span_links::of(&span.attributes).into_iter().map(LinkedSpan::of).collect();
        let texts_from = self.add_texts(&mut span, &trace_spans).await?;
        Ok(Some(SpanDetail {
            span: summary,
            request: parameters::of(&span.attributes),
            input_messages: span.input_messages,
            output_messages: span.output_messages,
            texts_from,
            attributes: span.attributes,
            response_id: span.response_id,
            finish_reasons: span.finish_reasons,
            tool_definitions: span.tool_definitions,
            reading: span.reading.into_iter().map(FieldReading::of).collect(),
            explanation,
            received_at,
            clock_shift_ms,
            links,
        }))
    }
}

impl ProjectSnapshot {
    /// Adds missing messages to a counted call from other reports of it: a framework's span may have the usage, and the provider's SDK
    /// below it the messages. Returns the first span from which messages were taken.
    async fn add_texts(&self, call: &mut Span, trace_spans: &[LoadedSpan]) -> Result<Option<MessageSourceSpan>, QueryError> {
        let lacks = |call: &Span| call.input_messages.is_empty() || call.output_messages.is_empty();
        if !call.is_call() || !call.counted || !lacks(call) {
            return Ok(None);
        }
        let in_trace = duplicate_reports_of(call, trace_spans).into_iter().map(|span| (call.trace_id, span));
        let elsewhere = call.also_reported.filter(|other| other.counts).map(|other| (other.trace_id, other.span_id));
        let mut from = None;
        for (trace, span) in in_trace.chain(elsewhere).collect::<Vec<_>>() {
            let found = self.run_reading(move |project| project.rows_of_span(trace, span)).await?;
            let Some(other) = LoadedSpan::all(&found).into_iter().next().map(|loaded| loaded.row.span) else { continue };
            let mut took = false;
            for (own, more) in [(&mut call.input_messages, other.input_messages), (&mut call.output_messages, other.output_messages)] {
                if own.is_empty() && !more.is_empty() {
                    *own = more;
                    took = true;
                }
            }
            if took && from.is_none() {
                from = Some(MessageSourceSpan { trace_id: trace.to_string(), span_id: span.to_string() });
            }
            if !lacks(call) {
                break;
            }
        }
        Ok(from)
    }
}

/// Returns the calls of a trace that have messages and are excluded because of this call, directly or through other excluded calls.
fn duplicate_reports_of(call: &Span, trace_spans: &[LoadedSpan]) -> Vec<SpanId> {
    let instead = |loaded: &LoadedSpan| {
        let span = loaded.span();
        let exclusion = span.exclusion.filter(|_| span.is_call() && !span.counted)?;
        Some((span.span_id, exclusion.counted_in_trace()?))
    };
    let left: HashMap<SpanId, SpanId> = trace_spans.iter().filter_map(instead).collect();
    let is_report = |loaded: &&LoadedSpan| {
        let mut at = loaded.span().span_id;
        // Exclusions never form a cycle, and their chains are short.
        for _ in 0..8 {
            match left.get(&at) {
                Some(next) if *next == call.span_id => return true,
                Some(next) => at = *next,
                None => return false,
            }
        }
        false
    };
    trace_spans.iter().filter(|loaded| loaded.has_messages()).filter(is_report).map(|loaded| loaded.span().span_id).collect()
}

/// Returns the buckets of a computed cost; `None` if they do not add up to the stored cost, since prices may have changed.
fn cost_buckets(cost: &CostExplanation) -> Option<Vec<CostLine>> {
    (cost.because == CostBasis::Computed).then(|| cost.lines.clone())
}
