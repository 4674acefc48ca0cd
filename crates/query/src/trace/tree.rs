//! Values that depend on the whole tree of a trace: totals below a span, and self time.

use std::collections::HashMap;

use hinomi_model::id::SpanId;
use hinomi_model::money::Usd;
use hinomi_model::span::{Span, SpanStatus};

/// Totals of the counted calls in a span and below it, with the tokens and costs of other uses of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SubtreeAggregate {
    pub(crate) llm_calls: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// `None` if there are calls and none of them has a price.
    pub(crate) cost: Option<Usd>,
    pub(crate) unpriced_calls: u64,
    pub(crate) estimated_calls: u64,
}

impl SubtreeAggregate {
    fn of(span: &Span) -> SubtreeAggregate {
        if !span.is_billed() {
            return SubtreeAggregate::default();
        }
        SubtreeAggregate {
            llm_calls: u64::from(span.is_call()),
            input_tokens: span.usage.input_tokens().unwrap_or(0),
            output_tokens: span.usage.output_tokens().unwrap_or(0),
            cost: span.cost.as_ref().map(|cost| cost.total),
            unpriced_calls: u64::from(is_unpriced(span)),
            estimated_calls: u64::from(span.is_estimated()),
        }
    }

    fn add(&mut self, other: &SubtreeAggregate) {
        self.llm_calls += other.llm_calls;
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.unpriced_calls += other.unpriced_calls;
        self.estimated_calls += other.estimated_calls;
        if let Some(cost) = other.cost {
            self.cost = Some(self.cost.unwrap_or_default() + cost);
        }
    }

    /// Sets the final cost: 0 without calls and costs, `None` if there are calls and nothing has a price.
    fn finish_cost(mut self) -> SubtreeAggregate {
        self.cost = self.cost.or((self.llm_calls == 0).then_some(Usd::ZERO));
        self
    }
}

/// Returns whether a call reports usage, has no price and did not fail.
pub(crate) fn is_unpriced(span: &Span) -> bool {
    span.is_call() && span.counted && span.cost.is_none() && !span.usage.is_unknown() && span.status != SpanStatus::Error
}

/// Values of one span that depend on the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpanTreeTotals {
    pub(crate) subtree: SubtreeAggregate,
    pub(crate) self_us: i64,
}

/// Computes the values of all spans of a trace, in the order of the spans. Missing parents and cycles are allowed. In this case, the totals
/// of each span are added to all ancestors that can be reached.
pub(crate) fn tree_totals(spans: &[&Span]) -> Vec<SpanTreeTotals> {
    let index: HashMap<SpanId, usize> = spans.iter().enumerate().map(|(at, span)| (span.span_id, at)).collect();
    let parent = |at: usize| spans[at].parent_span_id.and_then(|id| index.get(&id).copied()).filter(|parent| *parent != at);
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for at in 0..spans.len() {
        if let Some(parent) = parent(at) {
            children[parent].push(at);
        }
    }
    let mut below: Vec<SubtreeAggregate> = spans.iter().map(|span| SubtreeAggregate::of(span)).collect();
    for at in deepest_first(&children, parent) {
        if let Some(parent) = parent(at) {
            let sum = below[at];
            below[parent].add(&sum);
        }
    }
    let own = |at: usize| self_us(spans[at], children[at].iter().map(|child| spans[*child]));
    below.into_iter().enumerate().map(|(at, below)| SpanTreeTotals { subtree: below.finish_cost(), self_us: own(at) }).collect()
}

/// Returns the spans in an order in which each span follows all spans below it. Spans in a cycle are left out.
fn deepest_first(children: &[Vec<usize>], parent: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..children.len()).filter(|at| parent(*at).is_none()).collect();
    let mut next = 0;
    while let Some(at) = order.get(next).copied() {
        order.extend(&children[at]);
        next += 1;
    }
    order.reverse();
    order
}

/// Returns the duration of a span without the time in which any of its children ran.
fn self_us<'a>(span: &Span, children: impl Iterator<Item = &'a Span>) -> i64 {
    let clipped = children.map(|child| (child.start_us.max(span.start_us), child.end_us.min(span.end_us)));
    let mut ran: Vec<(i64, i64)> = clipped.filter(|(start, end)| start < end).collect();
    ran.sort_unstable();
    let mut covered = 0;
    let mut until = i64::MIN;
    for (start, end) in ran {
        covered += (end - start.max(until)).max(0);
        until = until.max(end);
    }
    (span.end_us - span.start_us - covered).max(0)
}

#[cfg(test)]
mod tests {
    use hinomi_model::span::{Cost, CostSource, SpanType, Usage};

    use super::*;

    fn span(id: u64, parent: u64, start_us: i64, end_us: i64) -> Span {
        Span { span_id: SpanId(id), parent_span_id: (parent > 0).then_some(SpanId(parent)), start_us, end_us, ..Span::default() }
    }

    fn call(id: u64, parent: u64, cost: Option<i64>) -> Span {
        let cost = cost.map(|steps| Cost { total: Usd(steps), input: None, output: None, source: CostSource::Computed, price: None });
        let usage = Usage { input: Some(10), output: Some(5), ..Usage::default() };
        Span { kind: SpanType::Llm, usage, cost, ..span(id, parent, 0, 10) }
    }

    fn totals_of_spans(spans: &[Span]) -> Vec<SpanTreeTotals> {
        tree_totals(&spans.iter().collect::<Vec<_>>())
    }

    #[test]
    fn totals_reach_every_ancestor_once() {
        let twice = Span { counted: false, ..call(5, 2, Some(7)) };
        let found =
            totals_of_spans(&[span(1, 0, 0, 10), span(2, 1, 0, 10), call(3, 2, Some(4)), call(4, 3, None), twice, span(6, 99, 0, 1)]);
        for at in [0, 1, 2] {
            let below = found[at].subtree;
            assert_eq!((below.llm_calls, below.input_tokens, below.cost, below.unpriced_calls), (2, 20, Some(Usd(4)), 1), "{at}");
        }
        assert_eq!((found[3].subtree.llm_calls, found[3].subtree.cost), (1, None));
        assert_eq!((found[4].subtree.llm_calls, found[4].subtree.cost), (0, Some(Usd::ZERO)));
        assert_eq!(found[5].subtree.llm_calls, 0);
    }

    #[test]
    fn cycle_of_spans_terminates() {
        let found = totals_of_spans(&[call(1, 2, Some(1)), call(2, 1, Some(2)), call(3, 3, Some(4))]);
        assert_eq!(found.iter().map(|one| one.subtree.llm_calls).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn self_time_excludes_children() {
        // Two children overlap, one begins before the parent, and one ends after it.
        let spans = [span(1, 0, 100, 200), span(2, 1, 110, 130), span(3, 1, 120, 140), span(4, 1, 90, 105), span(5, 1, 195, 300)];
        let own: Vec<i64> = totals_of_spans(&spans).iter().map(|one| one.self_us).collect();
        assert_eq!(own, [100 - 30 - 5 - 5, 20, 20, 15, 105]);
    }
}
