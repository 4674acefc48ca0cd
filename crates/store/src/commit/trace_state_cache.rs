//! A bounded memory of recent traces: what the rules of counting must know of them, and what they said last.
//!
//! A trace that has fallen out of it is read again from buffer and segments when more of it arrives.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use hinomi_model::dedup::duplicate_reports::CallReport;
use hinomi_model::dedup::{SpanDecision, SpanNode, duplicate_reports};
use hinomi_model::id::{SpanId, TraceId};

use crate::seeded_hash::SeededMap;

/// Spans of one trace that are decided together. A longer trace goes on with what each span says alone: deciding all of it again for
/// each request would take time with the square of its length.
pub(crate) const LONGEST_TRACE: usize = 8000;

/// A project's trace.
pub(crate) type TraceKey = (u64, TraceId);

/// A stored span, as far as the rules must know it.
#[derive(Debug)]
pub(crate) struct StoredSpanNode {
    pub(crate) node: SpanNode,
    /// What was last decided, where that differs from what the span says alone.
    pub(crate) decided: Option<Box<SpanDecision>>,
}

/// What a request tells of a span.
#[derive(Debug)]
pub(crate) struct IncomingSpanNode {
    pub(crate) node: SpanNode,
    /// True for a span that was stored before.
    pub(crate) again: bool,
}

/// Recent traces.
#[derive(Debug)]
pub(crate) struct TraceStateCache {
    capacity: usize,
    rules: fn(&[SpanNode]) -> Vec<SpanDecision>,
    nodes: usize,
    clock: u64,
    traces: SeededMap<TraceKey, CachedTraceState>,
    /// Traces by the time of their last use.
    by_use: BTreeMap<u64, TraceKey>,
}

#[derive(Debug, Default)]
struct CachedTraceState {
    nodes: Vec<SpanNode>,
    /// For each node what was last decided, where that differs from what the span says alone.
    decided: Vec<Option<Box<SpanDecision>>>,
    used: u64,
}

/// What changed for one trace.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TraceDecisionChanges {
    /// For the spans given, by their place among them: what holds, where that is not what they say alone.
    pub(crate) decided: Vec<(usize, SpanDecision)>,
    /// For earlier spans: what holds from now on.
    pub(crate) corrections: Vec<(SpanId, SpanDecision)>,
}

impl TraceStateCache {
    pub(crate) fn new(capacity: usize, rules: fn(&[SpanNode]) -> Vec<SpanDecision>) -> TraceStateCache {
        TraceStateCache { capacity, rules, nodes: 0, clock: 0, traces: SeededMap::default(), by_use: BTreeMap::new() }
    }

    /// Adds new spans of a trace, or what is now known of earlier ones, and asks the rules. `load` gives what is stored of it, and is only
    /// called when it is not remembered. `None` when the trace is too long to be decided.
    pub(crate) fn extend(
        &mut self,
        key: TraceKey,
        new: Vec<IncomingSpanNode>,
        load: impl FnOnce() -> Vec<StoredSpanNode>,
    ) -> Option<TraceDecisionChanges> {
        let rules = self.rules;
        let trace = self.remembered(key, load);
        if trace.nodes.len() + new.iter().filter(|told| !told.again).count() > LONGEST_TRACE {
            return None;
        }
        let before = trace.nodes.len();
        let asked = trace.add(new);
        let added = trace.nodes.len() - before;
        let verdict = trace.settle(&asked, rules);
        self.nodes += added;
        Some(verdict)
    }

    /// The calls of a remembered trace that another trace may report too.
    pub(crate) fn reports(&self, key: &TraceKey) -> Vec<CallReport> {
        self.traces.get(key).map_or_else(Vec::new, |trace| {
            let counted = |place: usize| trace.decided[place].as_deref().unwrap_or(&trace.nodes[place].locally).counted;
            duplicate_reports::of_trace(key.1, &trace.nodes, counted)
        })
    }

    /// True if a stored span came in pieces. `load` as above.
    pub(crate) fn came_in_pieces(&mut self, key: TraceKey, span: SpanId, load: impl FnOnce() -> Vec<StoredSpanNode>) -> bool {
        self.remembered(key, load).nodes.iter().any(|node| node.span_id == span && node.joined)
    }

    fn remembered(&mut self, key: TraceKey, load: impl FnOnce() -> Vec<StoredSpanNode>) -> &mut CachedTraceState {
        self.clock += 1;
        let trace = self.traces.entry(key).or_insert_with(|| {
            let (nodes, decided): (Vec<_>, Vec<_>) = load().into_iter().map(|known| (known.node, known.decided)).unzip();
            self.nodes += nodes.len();
            CachedTraceState { nodes, decided, used: 0 }
        });
        self.by_use.remove(&trace.used);
        trace.used = self.clock;
        self.by_use.insert(self.clock, key);
        trace
    }

    /// Forgets the traces that were used longest ago until there is room again.
    pub(crate) fn evict(&mut self) {
        while self.nodes > self.capacity {
            let Some((_, key)) = self.by_use.pop_first() else { return };
            let gone = self.traces.remove(&key);
            self.nodes -= gone.map_or(0, |trace| trace.nodes.len());
        }
    }

    /// Forgets everything, since what was added is not known to be stored.
    pub(crate) fn forget_all(&mut self) {
        *self = TraceStateCache::new(self.capacity, self.rules);
    }

    /// Forgets a trace, since what was added to it was not stored.
    pub(crate) fn forget(&mut self, key: &TraceKey) {
        if let Some(trace) = self.traces.remove(key) {
            self.by_use.remove(&trace.used);
            self.nodes -= trace.nodes.len();
        }
    }
}

impl CachedTraceState {
    /// Adds nodes, and says where each stands now. What is told again takes the place of what was known.
    fn add(&mut self, new: Vec<IncomingSpanNode>) -> HashMap<usize, usize> {
        let mut places = HashMap::with_capacity(new.len());
        for (index, IncomingSpanNode { node, again }) in new.into_iter().enumerate() {
            let known = self.nodes.iter().position(|known| again && known.span_id == node.span_id);
            let place = known.unwrap_or(self.nodes.len());
            match known {
                Some(place) => {
                    self.nodes[place] = node;
                    self.decided[place] = None;
                }
                None => {
                    self.nodes.push(node);
                    self.decided.push(None);
                }
            }
            places.insert(place, index);
        }
        places
    }

    /// Asks the rules about the whole trace. `asked` says which of its spans are new or changed, and where they stand among those
    /// given; the others have been answered for.
    fn settle(&mut self, asked: &HashMap<usize, usize>, rules: fn(&[SpanNode]) -> Vec<SpanDecision>) -> TraceDecisionChanges {
        // A fault in a rule must not end intake: the trace keeps what its spans say alone.
        let decisions = catch_unwind(AssertUnwindSafe(|| rules(&self.nodes))).unwrap_or_default();
        let mut verdict = TraceDecisionChanges::default();
        for (index, (node, decision)) in self.nodes.iter().zip(decisions).enumerate() {
            let decided = &mut self.decided[index];
            let last = decided.as_deref().unwrap_or(&node.locally);
            if decision == *last {
                continue;
            }
            match asked.get(&index) {
                Some(given) => verdict.decided.push((*given, decision.clone())),
                None => verdict.corrections.push((node.span_id, decision.clone())),
            }
            *decided = (decision != node.locally).then(|| Box::new(decision));
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use hinomi_model::dedup::decide;
    use hinomi_model::dedup::exclusion::Exclusion;
    use hinomi_model::span::Span;

    use super::*;

    fn node(id: u64) -> SpanNode {
        SpanNode::of(&Span { span_id: SpanId(id), ..Span::default() })
    }

    fn new(node: SpanNode) -> Vec<IncomingSpanNode> {
        vec![IncomingSpanNode { node, again: false }]
    }

    #[test]
    fn loads_a_trace_once_and_again_after_it_was_forgotten() {
        let mut traces = TraceStateCache::new(4, decide);
        let known = |id| StoredSpanNode { node: node(id), decided: None };
        let mut loads = 0;
        for trace in [1, 1, 2, 1] {
            let load = || {
                loads += 1;
                vec![known(100)]
            };
            traces.extend((1, TraceId(trace)), new(node(5)), load).unwrap();
            traces.evict();
        }
        // Trace 1 has three nodes by its second use, so that the two of trace 2 push it out.
        assert_eq!(loads, 3);
        traces.forget(&(1, TraceId(1)));
        assert_eq!(traces.nodes, traces.traces.values().map(|trace| trace.nodes.len()).sum::<usize>());
        assert_eq!(traces.by_use.len(), traces.traces.len());
    }

    #[test]
    fn says_what_changed_and_nothing_else() {
        let mut traces = TraceStateCache::new(100, decide);
        let wrong = SpanDecision { counted: false, exclusion: Some(Exclusion::SumOfCalls), ..SpanDecision::default() };
        let load = || vec![StoredSpanNode { node: node(1), decided: Some(Box::new(wrong)) }];
        let verdict = traces.extend((1, TraceId(1)), new(node(2)), load).unwrap();
        assert_eq!(verdict.corrections, [(SpanId(1), node(1).locally)]);
        assert_eq!(verdict.decided, []);
        assert_eq!(traces.extend((1, TraceId(1)), new(node(3)), Vec::new), Some(TraceDecisionChanges::default()));
    }

    #[test]
    fn a_span_that_came_in_pieces_is_known_once() {
        let outermost_alone = |nodes: &[SpanNode]| {
            let alone =
                |node: &SpanNode| SpanDecision { counted: nodes.len() == 1 && node.parent_span_id.is_none(), ..node.locally.clone() };
            nodes.iter().map(alone).collect()
        };
        let mut traces = TraceStateCache::new(100, outermost_alone);
        let piece = SpanNode { joined: true, ..node(1) };
        let key = (1, TraceId(1));
        assert_eq!(traces.extend(key, new(piece.clone()), Vec::new), Some(TraceDecisionChanges::default()));
        assert!(traces.came_in_pieces(key, SpanId(1), Vec::new) && !traces.came_in_pieces(key, SpanId(2), Vec::new));
        let whole = SpanNode { parent_span_id: Some(SpanId(7)), ..piece };
        let again = vec![IncomingSpanNode { node: whole.clone(), again: true }];
        let verdict = traces.extend(key, again, Vec::new).unwrap();
        assert_eq!(verdict.decided, [(0, SpanDecision { counted: false, ..whole.locally })]);
        assert_eq!((verdict.corrections.len(), traces.nodes), (0, 1));
    }
}
