//! Finds calls that several traces report, with [`RecentCallIndex`](super::RecentCallIndex), and writes the result to the spans of all
//! reports.

use std::sync::atomic::Ordering;

use hinomi_model::dedup::duplicate_reports::CallReport;
use hinomi_model::dedup::{SpanNode, duplicate_reports};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::span::Span;

use super::{CommitBatch, CommitWorker};
use crate::commit::group::newest_traces;
use crate::commit::recent_calls::RecentCallIndex;
use crate::key_hash::SpanKey;

/// Number of rows that are read at the start to find calls that other programs may report later.
const MAX_INITIAL_ROWS: usize = 100_000;

impl CommitWorker {
    /// Loads the newest calls, which other programs may still report.
    pub(super) fn load_recent_calls(&mut self) {
        let mut newest = Vec::new();
        for ((project, trace), known) in newest_traces(&self.shared, MAX_INITIAL_ROWS) {
            let decided: Vec<bool> =
                known.iter().map(|known| known.decision.as_deref().unwrap_or(&known.node.local_decision).counted).collect();
            let nodes: Vec<SpanNode> = known.into_iter().map(|known| known.node).collect();
            newest.extend(duplicate_reports::of_trace(trace, &nodes, |place| decided[place]).into_iter().map(|report| (project, report)));
        }
        // Counted reports must be added before the reports that defer to them.
        newest.sort_by_key(|(_, report)| (report.counted_elsewhere.is_some(), report.trace_id, report.span_id));
        for (project, report) in newest {
            for responses in &mut self.recent_calls {
                let _ = responses.add_report(project, report, false);
            }
        }
    }

    /// Finds the calls of the given traces that other traces report too, and updates the spans of all reports. `already_paired` lists spans that
    /// had been paired before and have changed since.
    pub(super) fn pair_duplicate_calls(&mut self, project: u64, traces: &[TraceId], already_paired: &[SpanId], staging: &mut CommitBatch) {
        for trace in traces {
            for by in 0..self.recent_calls.len() {
                for report in self.trace_states.reports_of_trace(&(project, *trace)) {
                    self.pair_call(by, project, report, already_paired.contains(&report.span_id), staging);
                }
            }
        }
        let evicted = self.recent_calls.iter().map(RecentCallIndex::evicted).sum();
        self.shared.health.evicted_calls.store(evicted, Ordering::Relaxed);
    }

    /// Finds and updates the reports of one call. `by` is the index in `recent_calls` to use.
    fn pair_call(&mut self, by: usize, project: u64, report: CallReport, already_paired: bool, staging: &mut CommitBatch) {
        // Each iteration except the last forgets at least one stale report.
        while let Some(call) = self.recent_calls[by].add_report(project, report, already_paired) {
            let keys = call.iter().map(|report| SpanKey { project, trace: report.trace_id, span: report.span_id });
            let rows = self.rows(keys.collect(), &staging.group);
            let span_of = |report: &CallReport| {
                rows.iter().map(|row| &row.span).find(|span| (span.trace_id, span.span_id) == (report.trace_id, report.span_id))
            };
            // A stale report's span is deleted, or is excluded by another span of its own trace.
            let holds = |span: &Span| span.counted || span.also_reported.is_some_and(|other| !other.counts);
            let stale: Vec<CallReport> = call.iter().filter(|report| !span_of(report).is_some_and(holds)).copied().collect();
            for report in &stale {
                self.recent_calls[by].remove_report(project, report);
            }
            if !stale.is_empty() {
                if stale.iter().any(|gone| gone.is_of_span(&report)) {
                    return;
                }
                continue;
            }
            // If one defers to a report that is not among these, that report is counted and none of these may be.
            let elsewhere = |report: &&CallReport| {
                let left_to = span_of(report).and_then(|span| span.also_reported).filter(|other| !other.counts);
                left_to.is_some_and(|other| !call.iter().any(|own| (own.trace_id, own.span_id) == (other.trace_id, other.span_id)))
            };
            if call.iter().any(|report| elsewhere(&report)) {
                return;
            }
            let Some(counting) = call.iter().min_by_key(|report| report.counting_order()) else { return };
            let mut others: Vec<(Span, bool)> = call
                .iter()
                .filter(|report| !report.is_of_span(counting))
                .filter_map(|report| Some((span_of(report)?.clone(), report.bills())))
                .collect();
            others.sort_by_key(|(span, _)| (duplicate_reports::has_taken_over(span), span.trace_id, span.span_id));
            let tell = |span: &mut Span| {
                if (span.trace_id, span.span_id) == (counting.trace_id, counting.span_id) {
                    others.iter().for_each(|(other, bills)| duplicate_reports::take_over_report(span, other, *bills));
                } else {
                    duplicate_reports::exclude_for(span, counting);
                }
            };
            match self.revise_rows(project, rows, &tell, staging) {
                Ok(_) => staging.has_duplicate_reports = true,
                Err(error) => tracing::error!(%error, "store.duplicate_calls.lookup_failed"),
            }
            return;
        }
    }
}
