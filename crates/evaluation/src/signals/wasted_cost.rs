//! Wasted cost: the cost of failed calls, of calls that a loop repeated, and of runs that ended without an answer.
//!
//! This is the one definition. Each call is included once, under the most severe finding that names it: a run without an answer before a
//! loop, and a loop before a single failed call.

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
    /// Cost of each finding, in the order of the findings.
    pub by_finding: Vec<Usd>,
    /// Cost of failed calls that belong to no finding.
    pub failed_calls: Usd,
}

/// Returns the wasted cost of one trace from its spans and the findings of [`super::of_trace`].
pub fn wasted_cost(spans: &[&Span], findings: &[SignalFinding]) -> WastedCost {
    let mut wasted = WastedCost { by_finding: vec![Usd::ZERO; findings.len()], ..WastedCost::default() };
    let order =
        |(_, finding): &(usize, &SignalFinding)| (std::cmp::Reverse(finding.severity), -(finding.confidence * 1e6) as i64, finding.kind);
    let numbered = || findings.iter().enumerate();
    let unanswered = numbered().filter(|(_, finding)| WITHOUT_ANSWER.contains(&finding.kind)).min_by_key(order);
    let mut sorted: Vec<(usize, &SignalFinding)> = numbered().filter(|(_, finding)| !finding.wasted_call_ids.is_empty()).collect();
    sorted.sort_by_key(order);
    let mut by_call: Map<SpanId, usize> = Map::default();
    for (number, finding) in sorted {
        for call in &finding.wasted_call_ids {
            by_call.entry(*call).or_insert(number);
        }
    }
    for span in spans.iter().filter(|span| span.is_billed()) {
        let Some(cost) = span.cost.as_ref().map(|cost| cost.total) else { continue };
        let number = unanswered.map(|(number, _)| number).or_else(|| by_call.get(&span.span_id).copied());
        match number {
            Some(number) => wasted.by_finding[number] += cost,
            None if span.status == SpanStatus::Error => wasted.failed_calls += cost,
            None => continue,
        }
        wasted.total += cost;
    }
    wasted
}
