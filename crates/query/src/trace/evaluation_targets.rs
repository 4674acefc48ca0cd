//! Traces and calls that an evaluator can evaluate, without their texts.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::prelude::{DataFrame, col, lit};
use hinomi_model::id::{SpanId, TraceId};

use crate::error::QueryError;
use crate::filter::{Filter, FilterTerm};
use crate::scan::columns::BatchColumn;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Approximate memory of one trace or call of the result, in bytes.
const BYTES_PER_TARGET: usize = 256;

/// A trace with a call, an agent or a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOutline {
    /// ID of the trace.
    pub trace: TraceId,
    /// ID of its conversation; of several, the first in the order of texts.
    pub session: Option<String>,
    /// Start of the first of these spans in microseconds since the Unix epoch.
    pub start_us: i64,
    /// End of the last of these spans in microseconds since the Unix epoch.
    pub end_us: i64,
}

/// An LLM call that totals include.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOutline {
    /// ID of the trace.
    pub trace: TraceId,
    /// ID of the span.
    pub span: SpanId,
    /// ID of the conversation.
    pub session: Option<String>,
    /// Start in microseconds since the Unix epoch.
    pub start_us: i64,
}

impl ProjectSnapshot {
    /// Returns the traces with a call, an agent or a tool that start in the scope and that its filter selects in the trace list, in order of
    /// time.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter is not valid, the traces need more memory than allowed, or the query engine fails.
    pub async fn runs_in_scope(&self, scope: &QueryScope) -> Result<Vec<RunOutline>, QueryError> {
        let scope = self.scope_of_traces(scope).await?;
        self.run_outlines(self.spans_in_scope(ScanMode::FewRows, &scope).await?).await
    }

    /// Returns those of the given traces that have a call, an agent or a tool, and that a filter selects in the trace list, in order of time.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`runs_in_scope`](Self::runs_in_scope).
    pub async fn runs_among(&self, traces: &HashSet<TraceId>, filter: &Filter) -> Result<Vec<RunOutline>, QueryError> {
        let selected = if filter.0.is_empty() { traces.clone() } else { self.select_among(filter, traces).await? };
        self.run_outlines(self.spans_in_scope(ScanMode::FewRows, &scope_of(selected, &Filter::default())).await?).await
    }

    async fn run_outlines(&self, spans: DataFrame) -> Result<Vec<RunOutline>, QueryError> {
        let is_part = col("kind").in_list(vec![lit("llm"), lit("agent"), lit("tool")], false);
        let outline = vec![
            min(col("session_id")).alias("session_id"),
            min(col("start_time")).alias("start_time"),
            max(col("end_time")).alias("end_time"),
        ];
        let batches = spans.filter(is_part)?.aggregate(vec![col("trace_id")], outline)?.collect().await?;
        let reserved = self.engine.reserve("traces of an evaluator");
        reserved.try_grow(batches.iter().map(|batch| batch.num_rows() * BYTES_PER_TARGET).sum())?;
        let mut runs = Vec::new();
        for batch in &batches {
            let [trace, session, start, end] =
                ["trace_id", "session_id", "start_time", "end_time"].map(|name| BatchColumn::of(batch, name));
            runs.extend((0..batch.num_rows()).filter_map(|row| {
                let (trace, start_us) = (trace.text(row)?.parse().ok()?, start.int(row)?);
                Some(RunOutline { trace, session: session.text(row), start_us, end_us: end.int(row).unwrap_or(start_us) })
            }));
        }
        runs.sort_by_key(|run| (run.start_us, run.trace));
        Ok(runs)
    }

    /// Returns the counted LLM calls in a scope, in order of time.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`runs_in_scope`](Self::runs_in_scope).
    pub async fn calls_in_scope(&self, scope: &QueryScope) -> Result<Vec<CallOutline>, QueryError> {
        let is_call = col("kind").eq(lit("llm")).and(col("counted"));
        let columns = ["trace_id", "span_id", "session_id", "start_time"];
        let calls = self.spans_in_scope(ScanMode::FewRows, scope).await?.filter(is_call)?.select_columns(&columns)?;
        let batches = calls.collect().await?;
        let reserved = self.engine.reserve("calls of an evaluator");
        reserved.try_grow(batches.iter().map(|batch| batch.num_rows() * BYTES_PER_TARGET).sum())?;
        let mut calls = BTreeMap::new();
        for batch in &batches {
            let [trace, span, session, start] = columns.map(|name| BatchColumn::of(batch, name));
            calls.extend((0..batch.num_rows()).filter_map(|row| {
                let (trace, span) = (trace.text(row)?.parse().ok()?, span.text(row)?.parse().ok()?);
                let start_us = start.int(row)?;
                Some(((start_us, trace, span), CallOutline { trace, span, session: session.text(row), start_us }))
            }));
        }
        Ok(calls.into_values().collect())
    }

    /// Returns the counted LLM calls of some traces that a filter selects, in order of time.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`runs_in_scope`](Self::runs_in_scope).
    pub async fn calls_among(&self, traces: &HashSet<TraceId>, filter: &Filter) -> Result<Vec<CallOutline>, QueryError> {
        self.calls_in_scope(&scope_of(traces.clone(), filter)).await
    }
}

/// Returns the scope of the spans of some traces that pass a filter.
fn scope_of(traces: HashSet<TraceId>, filter: &Filter) -> QueryScope {
    let terms = std::iter::once(FilterTerm::InTraces(Arc::new(traces))).chain(filter.0.iter().cloned());
    QueryScope { filter: Filter(terms.collect()), ..QueryScope::all() }
}
