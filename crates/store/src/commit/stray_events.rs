//! Events of a span that arrived before the trace of the span was known. These events are stored as a separate trace, and moved when the
//! trace of the span is known.

use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::langfuse::{ObservationTrace, ROOT_OP};
use hinomi_model::span::Span;

use super::{CommitWorker, span_key};
use crate::commit::group::CommitGroup;
use crate::key_hash::SpanKey;
use crate::rows::SpanRow;
use crate::state::lock;

impl CommitWorker {
    /// Joins spans with their stray events. Returns the IDs of the rows that the joining removes.
    pub(super) fn join_stray_events(&mut self, project: u64, spans: &mut [Span], group: &CommitGroup) -> Vec<(TraceId, SpanId)> {
        let mut found: Vec<(usize, ObservationTrace)> =
            spans.iter().enumerate().filter_map(|(index, span)| Some((index, (self.shared.config.observation_trace)(span)?))).collect();
        if found.is_empty() {
            return Vec::new();
        }
        let at = |span: &Span, home: &ObservationTrace| SpanKey { trace: home.trace_id, ..span_key(project, span) };
        {
            let state = lock(&self.shared.state);
            found.retain(|(index, home)| {
                let place = at(&spans[*index], home);
                group.row_of(&place).is_some() || state.has_been_buffered(&place) || !state.candidate_rows(&place).is_empty()
            });
        }
        let prices = self.shared.config.prices.book_of(project);
        let mut moved = Vec::new();
        for (index, home) in found {
            let place = at(&spans[index], &home);
            let root = SpanKey { span: home.root, ..place };
            for mut row in self.rows(vec![place, root], group) {
                let is_root = row.span.span_id == home.root;
                // Data that the trace with the stray's ID has of its own remains.
                let is_stray = row.span.joined.as_ref().is_some_and(|joined| joined.awaited || !is_root);
                if !is_stray {
                    continue;
                }
                moved.push((home.trace_id, row.span.span_id));
                // The duration that the stray's trace recorded moves to the root span of the trace.
                let trace = spans[index].trace_id;
                let belongs =
                    if is_root { spans.iter().position(|span| span.trace_id == trace && span.op == ROOT_OP) } else { Some(index) };
                if let Some(place) = belongs {
                    let whole = self.join_stored_parts(&mut row, &spans[place], &prices);
                    spans[place] = whole;
                }
            }
            self.trace_states.remove_trace(&(project, home.trace_id));
        }
        moved
    }

    fn join_stored_parts(&self, row: &mut SpanRow, span: &Span, prices: &hinomi_model::price::PriceBook) -> Span {
        row.locally().apply(&mut row.span);
        (row.span.trace_id, row.span.span_id) = (span.trace_id, span.span_id);
        // Nothing is new: all of it was sent before.
        (self.shared.config.join)(&row.span, span, prices).unwrap_or_else(|| span.clone())
    }
}
