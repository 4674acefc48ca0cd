//! Wasted cost: the cost of failed calls, of calls that a loop repeated, and of runs that ended without an answer.
//!
//! This is the one definition. Each call is included once, under the most severe finding that names it: a run without an answer before a
//! loop, and a loop before a single failed call.

use std::collections::BTreeMap;

use hinomi_model::id::SpanId;
use hinomi_model::money::Usd;
use hinomi_model::span::{Span, SpanStatus};

use super::Map;
use super::finding::{FindingKind, SignalFinding};

/// Kinds of findings of runs that ended without an answer.
const WITHOUT_ANSWER: &[FindingKind] = &[FindingKind::RunLimit, FindingKind::AnswerEmpty];

/// Cost that a trace wasted. Calls of unknown cost are not included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WastedCost {
    /// Sum of all parts.
    pub total: Usd,
    /// Cost by the kind of finding.
    pub by_finding: BTreeMap<FindingKind, Usd>,
    /// Cost of failed calls that belong to no finding.
    pub failed_calls: Usd,
}

/// Returns the wasted cost of one trace from its spans and the findings of [`super::of_trace`].
pub fn wasted_cost(spans: &[&Span], findings: &[SignalFinding]) -> WastedCost {
    let mut wasted = WastedCost::default();
    let order = |finding: &&SignalFinding| (std::cmp::Reverse(finding.severity), -(finding.confidence * 1e6) as i64, finding.kind);
    let unanswered = findings.iter().filter(|finding| WITHOUT_ANSWER.contains(&finding.kind)).min_by_key(order);
    let mut sorted: Vec<&SignalFinding> = findings.iter().filter(|finding| !finding.wasted_call_ids.is_empty()).collect();
    sorted.sort_by_key(order);
    let mut by_call: Map<SpanId, FindingKind> = Map::default();
    for finding in sorted {
        for call in &finding.wasted_call_ids {
            by_call.entry(*call).or_insert(finding.kind);
        }
    }
    for span in spans.iter().filter(|span| span.is_billed()) {
        let Some(cost) = span.cost.as_ref().map(|cost| cost.total) else { continue };
        let kind = unanswered.map(|finding| finding.kind).or_else(|| by_call.get(&span.span_id).copied());
        match kind {
            Some(kind) => *wasted.by_finding.entry(kind).or_default() += cost,
            None if span.status == SpanStatus::Error => wasted.failed_calls += cost,
            None => continue,
        }
        wasted.total += cost;
    }
    wasted
}
