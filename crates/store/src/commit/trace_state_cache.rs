//! A bounded in-memory cache of recent traces: the input of the deduplication rules and their last decisions.
//!
//! If more spans of an evicted trace arrive, the trace is read again from memtables and segments.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use hinomi_model::dedup::duplicate_reports::CallReport;
use hinomi_model::dedup::{SpanDecision, SpanNode, duplicate_reports, has_uncounted_sum};
use hinomi_model::id::{SpanId, TraceId};

use crate::seeded_hash::SeededMap;

/// Maximum number of spans of one trace that are decided together. In a longer trace, the rules are not applied to new spans: deciding the
/// whole trace again for each request would take time quadratic in its length.
pub(crate) const MAX_TRACE_SPANS: usize = 8000;

/// Project and trace ID.
pub(crate) type TraceKey = (u64, TraceId);

/// A stored span in the form that the deduplication rules need.
#[derive(Debug)]
pub(crate) struct StoredSpanNode {
    pub(crate) node: SpanNode,
    /// Last decision, if it differs from the decision from the span alone.
    pub(crate) decision: Option<Box<SpanDecision>>,
}

/// A span of a request in the form that the deduplication rules need.
#[derive(Debug)]
pub(crate) struct IncomingSpanNode {
    pub(crate) node: SpanNode,
    /// True for a span that is already stored.
    pub(crate) is_stored: bool,
}

/// Recent traces and the last decisions about their spans.
#[derive(Debug)]
pub(crate) struct TraceStateCache {
    capacity: usize,
    rules: fn(&[SpanNode]) -> Vec<SpanDecision>,
    nodes: usize,
    clock: u64,
    traces: SeededMap<TraceKey, CachedTraceState>,
    /// Traces by the time of their last use.
    last_uses: BTreeMap<u64, TraceKey>,
}

#[derive(Debug, Default)]
struct CachedTraceState {
    nodes: Vec<SpanNode>,
    /// Last decision for each node, if it differs from what the span says alone.
    decisions: Vec<Option<Box<SpanDecision>>>,
    last_use: u64,
}

/// Changed decisions of one trace.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct TraceDecisionChanges {
    /// Decisions for the given spans, by their indices, where they differ from the decisions from each span alone.
    pub(crate) decisions: Vec<(usize, SpanDecision)>,
    /// New decisions for earlier spans.
    pub(crate) corrections: Vec<(SpanId, SpanDecision)>,
}

impl TraceStateCache {
    pub(crate) fn new(capacity: usize, rules: fn(&[SpanNode]) -> Vec<SpanDecision>) -> TraceStateCache {
        TraceStateCache { capacity, rules, nodes: 0, clock: 0, traces: SeededMap::default(), last_uses: BTreeMap::new() }
    }

    /// Adds new spans of a trace, or new data of earlier ones, and applies the rules. `load` returns the stored spans of the trace; it is
    /// only called if the trace is not cached. Returns `None` if the trace is too long.
    pub(crate) fn add_spans(
        &mut self,
        key: TraceKey,
        new: Vec<IncomingSpanNode>,
        load: impl FnOnce() -> Vec<StoredSpanNode>,
    ) -> Option<TraceDecisionChanges> {
        let rules = self.rules;
        let trace = self.cached_trace(key, load);
        if trace.nodes.len() + new.iter().filter(|told| !told.is_stored).count() > MAX_TRACE_SPANS {
            return None;
        }
        let before = trace.nodes.len();
        let requested = trace.add(new);
        let added = trace.nodes.len() - before;
        let verdict = trace.decide_trace(&requested, rules);
        self.nodes += added;
        Some(verdict)
    }

    /// Returns the calls of a cached trace if another trace may report the same calls.
    pub(crate) fn reports_of_trace(&self, key: &TraceKey) -> Vec<CallReport> {
        self.traces.get(key).map_or_else(Vec::new, |trace| {
            let counted = |place: usize| trace.decisions[place].as_deref().unwrap_or(&trace.nodes[place].local_decision).counted;
            duplicate_reports::of_trace(key.1, &trace.nodes, counted)
        })
    }

    /// Returns true if a cached trace has a counted call without usage, or an agent with usage below which no span reports usage.
    pub(crate) fn may_lack_usage(&self, key: &TraceKey) -> bool {
        self.traces.get(key).is_some_and(|trace| {
            let counted = |place: usize| trace.decisions[place].as_deref().unwrap_or(&trace.nodes[place].local_decision).counted;
            let lacks_usage = |(place, node): (usize, &SpanNode)| {
                node.is_call() && counted(place) && node.input_tokens.is_none() && node.output_tokens.is_none()
            };
            trace.nodes.iter().enumerate().any(lacks_usage) || has_uncounted_sum(&trace.nodes)
        })
    }

    /// Returns whether a stored span was joined from partial spans. `load` is the same as in [`add_spans`](TraceStateCache::add_spans).
    pub(crate) fn is_joined_from_parts(&mut self, key: TraceKey, span: SpanId, load: impl FnOnce() -> Vec<StoredSpanNode>) -> bool {
        self.cached_trace(key, load).nodes.iter().any(|node| node.span_id == span && node.is_joined_from_parts)
    }

    fn cached_trace(&mut self, key: TraceKey, load: impl FnOnce() -> Vec<StoredSpanNode>) -> &mut CachedTraceState {
        self.clock += 1;
        let trace = self.traces.entry(key).or_insert_with(|| {
            let (nodes, decisions): (Vec<_>, Vec<_>) = load().into_iter().map(|known| (known.node, known.decision)).unzip();
            self.nodes += nodes.len();
            CachedTraceState { nodes, decisions, last_use: 0 }
        });
        self.last_uses.remove(&trace.last_use);
        trace.last_use = self.clock;
        self.last_uses.insert(self.clock, key);
        trace
    }

    /// Evicts the least recently used traces until the capacity is no longer exceeded.
    pub(crate) fn evict_oldest(&mut self) {
        while self.nodes > self.capacity {
            let Some((_, key)) = self.last_uses.pop_first() else { return };
            let gone = self.traces.remove(&key);
            self.nodes -= gone.map_or(0, |trace| trace.nodes.len());
        }
    }

    /// Removes everything, because the added spans may not have been stored.
    pub(crate) fn forget_all(&mut self) {
        *self = TraceStateCache::new(self.capacity, self.rules);
    }

    /// Removes a trace, because the spans that were added to it were not stored.
    pub(crate) fn remove_trace(&mut self, key: &TraceKey) {
        if let Some(trace) = self.traces.remove(key) {
            self.last_uses.remove(&trace.last_use);
            self.nodes -= trace.nodes.len();
        }
    }
}

impl CachedTraceState {
    /// Adds nodes, and returns a map from each node's index to its index in `new`. A node with `is_stored` replaces the earlier one.
    fn add(&mut self, new: Vec<IncomingSpanNode>) -> HashMap<usize, usize> {
        let mut places = HashMap::with_capacity(new.len());
        for (index, IncomingSpanNode { node, is_stored }) in new.into_iter().enumerate() {
            let known = self.nodes.iter().position(|known| is_stored && known.span_id == node.span_id);
            let place = known.unwrap_or(self.nodes.len());
            match known {
                Some(place) => {
                    self.nodes[place] = node;
                    self.decisions[place] = None;
                }
                None => {
                    self.nodes.push(node);
                    self.decisions.push(None);
                }
            }
            places.insert(place, index);
        }
        places
    }

    /// Applies the rules to the whole trace. `requested` maps the new and changed spans to their indices in the request; all other changes
    /// are corrections.
    fn decide_trace(&mut self, requested: &HashMap<usize, usize>, rules: fn(&[SpanNode]) -> Vec<SpanDecision>) -> TraceDecisionChanges {
        // A panic in a rule must not end ingestion: earlier spans keep their last decisions, new ones what they say alone.
        let decisions = catch_unwind(AssertUnwindSafe(|| rules(&self.nodes))).unwrap_or_default();
        let mut verdict = TraceDecisionChanges::default();
        for (index, (node, decision)) in self.nodes.iter().zip(decisions).enumerate() {
            let decided = &mut self.decisions[index];
            let last = decided.as_deref().unwrap_or(&node.local_decision);
            if decision == *last {
                continue;
            }
            match requested.get(&index) {
                Some(given) => verdict.decisions.push((*given, decision.clone())),
                None => verdict.corrections.push((node.span_id, decision.clone())),
            }
            *decided = (decision != node.local_decision).then(|| Box::new(decision));
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use hinomi_model::dedup::decide_trace;
    use hinomi_model::dedup::exclusion::Exclusion;
    use hinomi_model::span::Span;

    use super::*;

    fn node(id: u64) -> SpanNode {
        SpanNode::of(&Span { span_id: SpanId(id), ..Span::default() })
    }

    fn new(node: SpanNode) -> Vec<IncomingSpanNode> {
        vec![IncomingSpanNode { node, is_stored: false }]
    }

    #[test]
    fn loads_a_trace_once_and_again_after_it_was_forgotten() {
        let mut traces = TraceStateCache::new(4, decide_trace);
        let known = |id| StoredSpanNode { node: node(id), decision: None };
        let mut loads = 0;
        for trace in [1, 1, 2, 1] {
            let load = || {
                loads += 1;
                vec![known(100)]
            };
            traces.add_spans((1, TraceId(trace)), new(node(5)), load).unwrap();
            traces.evict_oldest();
        }
        // Trace 1 has three nodes at its second use, and evicts the two of trace 2.
        assert_eq!(loads, 3);
        traces.remove_trace(&(1, TraceId(1)));
        assert_eq!(traces.nodes, traces.traces.values().map(|trace| trace.nodes.len()).sum::<usize>());
        assert_eq!(traces.last_uses.len(), traces.traces.len());
    }

    #[test]
    fn only_changed_decisions_are_returned() {
        let mut traces = TraceStateCache::new(100, decide_trace);
        let wrong = SpanDecision { counted: false, exclusion: Some(Exclusion::SumOfCalls), ..SpanDecision::default() };
        let load = || vec![StoredSpanNode { node: node(1), decision: Some(Box::new(wrong)) }];
        let verdict = traces.add_spans((1, TraceId(1)), new(node(2)), load).unwrap();
        assert_eq!(verdict.corrections, [(SpanId(1), node(1).local_decision)]);
        assert_eq!(verdict.decisions, []);
        assert_eq!(traces.add_spans((1, TraceId(1)), new(node(3)), Vec::new), Some(TraceDecisionChanges::default()));
    }

    #[test]
    fn span_joined_from_parts_is_cached_once() {
        let outermost_alone = |nodes: &[SpanNode]| {
            let alone = |node: &SpanNode| SpanDecision {
                counted: nodes.len() == 1 && node.parent_span_id.is_none(),
                ..node.local_decision.clone()
            };
            nodes.iter().map(alone).collect()
        };
        let mut traces = TraceStateCache::new(100, outermost_alone);
        let piece = SpanNode { is_joined_from_parts: true, ..node(1) };
        let key = (1, TraceId(1));
        assert_eq!(traces.add_spans(key, new(piece.clone()), Vec::new), Some(TraceDecisionChanges::default()));
        assert!(traces.is_joined_from_parts(key, SpanId(1), Vec::new) && !traces.is_joined_from_parts(key, SpanId(2), Vec::new));
        let whole = SpanNode { parent_span_id: Some(SpanId(7)), ..piece };
        let again = vec![IncomingSpanNode { node: whole.clone(), is_stored: true }];
        let verdict = traces.add_spans(key, again, Vec::new).unwrap();
        assert_eq!(verdict.decisions, [(0, SpanDecision { counted: false, ..whole.local_decision })]);
        assert_eq!((verdict.corrections.len(), traces.nodes), (0, 1));
    }
}
