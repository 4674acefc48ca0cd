//! Which span an evaluator rated.

use super::super::ScoreTarget;
use crate::id::{SpanId, TraceId};
use crate::span::{Span, SpanType};
use crate::span_links::{self, LINKS_ATTRIBUTE};

/// Returns whether a span with a result is that of an evaluator, and not of a step that was rated.
pub(super) fn is_evaluator(span: &Span) -> bool {
    span.kind == SpanType::Evaluator
}

/// Returns the span to which the span of an evaluator links.
pub(super) fn linked(span: &Span) -> Option<ScoreTarget> {
    if !span.attributes.contains_key(LINKS_ATTRIBUTE) {
        return None;
    }
    let link = span_links::of(&span.attributes).into_iter().next()?;
    Some(ScoreTarget::trace(link.trace_id, Some(link.span_id)))
}

/// Returns what the span with a result rates: an evaluator its target, any other span itself.
pub(super) fn of_carrier(span: &Span) -> ScoreTarget {
    if is_evaluator(span) { of_evaluator(span) } else { ScoreTarget::trace(span.trace_id, Some(span.span_id)) }
}

/// Returns what an evaluator rates: the linked span, else its parent, else the trace.
pub(super) fn of_evaluator(span: &Span) -> ScoreTarget {
    linked(span).unwrap_or_else(|| ScoreTarget::trace(span.trace_id, rated_parent(span)))
}

/// Returns the parent of an evaluator. OpenSearch's SDK rates a whole trace with a parent that has the lower half of the trace's ID.
fn rated_parent(span: &Span) -> Option<SpanId> {
    let TraceId(trace) = span.trace_id;
    let SpanId(parent) = span.parent_span_id?;
    let is_trace = is_evaluator(span) && u128::from(parent) == trace & u128::from(u64::MAX);
    (!is_trace).then_some(SpanId(parent))
}

/// Returns the target of a result in an event of a span. The event belongs to the rated span, or to an evaluator that links to it.
pub(crate) fn target_of_event(span: &Span) -> ScoreTarget {
    let linked = if is_evaluator(span) { linked(span) } else { None };
    linked.unwrap_or_else(|| ScoreTarget::trace(span.trace_id, Some(span.span_id)))
}
