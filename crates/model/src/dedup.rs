//! Decides which spans are counted, and which pipeline, user and session they belong to, from the known nodes of their trace.
//!
//! The order of the nodes does not affect the decisions, so the result is the same whether a trace arrives in parts or complete.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub mod duplicate_reports;
pub mod exclusion;
mod reporters;
pub mod usage_completion;

use crate::dedup::duplicate_reports::{DuplicateReport, SpanReporter};
use crate::dedup::exclusion::Exclusion;
use crate::id::SpanId;
use crate::legacy_sentences;
use crate::span::{Span, SpanStatus, SpanType, Usage};

/// Properties of a span that deduplication needs. Small, since it stays in memory for each recent trace.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanNode {
    /// ID of the span.
    pub span_id: SpanId,
    /// ID of the parent span.
    pub parent_span_id: Option<SpanId>,
    /// Kind of the span.
    pub kind: SpanType,
    /// Start in microseconds, as the client sent it (before any clock shift).
    pub start_us: i64,
    /// End in microseconds, as the client sent it (before any clock shift).
    pub end_us: i64,
    /// Number of input tokens, including those read from or written to a cache.
    pub input_tokens: Option<u64>,
    /// Number of output tokens, including reasoning.
    pub output_tokens: Option<u64>,
    /// Answering model if known, otherwise the requested model.
    pub model: Option<String>,
    /// ID that the provider gave to the response.
    pub response_id: Option<String>,
    /// Hash of the model's name without vendor and date, valid within this process.
    pub base_model: Option<u64>,
    /// Hash of input and output, valid within this process; `None` unless both are known. The store sets it, since [`SpanNode::of`] does
    /// not read messages.
    pub texts: Option<u64>,
    /// True for a use of a model that is not an LLM call; see [`Span::is_other_model_use`].
    pub is_other_model_use: bool,
    /// Hash of the units other than tokens that the span reports, valid within this process; `None` if it reports none.
    pub units: Option<u64>,
    /// True for a call that failed.
    pub failed: bool,
    /// True for a report of a call that is written after the call, with equal start and end, as Logfire reports streamed calls.
    pub is_written_after_call: bool,
    /// True for a span that arrived in parts, so that another report may add data to it.
    pub is_joined_from_parts: bool,
    /// Program and instrumentation that report the span.
    pub reporter: SpanReporter,
    /// True if the instrumentation belongs to a gateway.
    pub is_gateway: bool,
    /// True for a request that the program serves.
    pub is_served_request: bool,
    /// Location of another program's report of the same call.
    pub also_reported: Option<DuplicateReport>,
    /// Decision from the decoded span alone.
    pub local_decision: SpanDecision,
}

impl SpanNode {
    /// Returns the node of a span as decoded, before any rule for traces was applied.
    pub fn of(span: &Span) -> SpanNode {
        // Estimated usage is no evidence of whether two reports are about one call.
        let usage = if span.is_estimated() { Usage::default() } else { span.usage };
        SpanNode {
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            kind: span.kind,
            start_us: span.start_us - span.clock_shift_us,
            end_us: span.end_us - span.clock_shift_us,
            input_tokens: usage.input_tokens(),
            output_tokens: usage.output_tokens(),
            model: span.model().map(str::to_owned),
            response_id: span.response_id.clone(),
            base_model: span.model().filter(|_| span.is_call()).map(duplicate_reports::hash_of_model),
            texts: None,
            is_other_model_use: span.is_other_model_use(),
            units: duplicate_reports::hash_of_units(&usage),
            failed: span.status == SpanStatus::Error,
            is_written_after_call: Self::reads_attributes(span)
                && span.attributes.get("logfire.span_type").is_some_and(|sort| sort == "log"),
            is_joined_from_parts: span.joined.is_some(),
            reporter: SpanReporter::of(span),
            is_gateway: duplicate_reports::is_gateway(span),
            is_served_request: span.op == duplicate_reports::SERVER_OP,
            also_reported: span.also_reported,
            local_decision: SpanDecision::of(span),
        }
    }

    /// Returns true if [`SpanNode::of`] needs the attributes of the span, which are large. This is the case for Logfire's spans.
    pub fn reads_attributes(span: &Span) -> bool {
        span.origin.as_deref().is_some_and(|scope| scope.starts_with("logfire"))
    }

    /// Returns true for a call of a language model or an embedding model.
    pub fn is_call(&self) -> bool {
        matches!(self.kind, SpanType::Llm | SpanType::Embedding)
    }

    /// Returns true for a call, and for another use of a model that has a price.
    fn is_model_use(&self) -> bool {
        self.is_call() || self.is_other_model_use
    }

    /// Returns true for a span whose usage is normally the sum of the calls below it.
    fn reports_sum(&self) -> bool {
        usage_completion::kind_reports_sum(self.kind, self.model.is_some())
    }

    /// Returns true for an agent with a sum of tokens that is counted, because no call below it reported usage for some time.
    fn is_counted_agent(&self) -> bool {
        self.reports_sum() && self.local_decision.counted && tokens(self).is_some()
    }
}

/// Fields of a span that depend on its trace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SpanDecision {
    /// See [`crate::span::Span::counted`].
    pub counted: bool,
    /// See [`crate::span::Span::exclusion`].
    #[serde(
        alias = "not_counted_because",
        deserialize_with = "legacy_sentences::deserialize_exclusion",
        skip_serializing_if = "Option::is_none"
    )]
    pub exclusion: Option<Exclusion>,
    /// See [`crate::span::Span::pipeline`].
    pub pipeline: Option<String>,
    /// See [`crate::span::Span::is_run`].
    pub is_run: bool,
    /// See [`crate::span::Span::user_id`].
    pub user_id: Option<String>,
    /// See [`crate::span::Span::session_id`].
    pub session_id: Option<String>,
}

impl SpanDecision {
    /// Returns the decision that a span contains.
    pub fn of(span: &Span) -> SpanDecision {
        SpanDecision {
            counted: span.counted,
            exclusion: span.exclusion,
            pipeline: span.pipeline.clone(),
            is_run: span.is_run,
            user_id: span.user_id.clone(),
            session_id: span.session_id.clone(),
        }
    }

    /// Writes the decision into the span.
    pub fn apply(&self, span: &mut Span) {
        span.counted = self.counted;
        span.exclusion = self.exclusion;
        span.pipeline.clone_from(&self.pipeline);
        span.is_run = self.is_run;
        span.user_id.clone_from(&self.user_id);
        span.session_id.clone_from(&self.session_id);
    }
}

/// Tolerance in microseconds when checking that a wrapper ends after the call inside: clocks of two programs may differ.
const CLOCK_TOLERANCE_US: i64 = 1_000_000;

/// Makes the decisions for all nodes of a trace, and returns them in the order of the nodes.
///
/// These spans repeat other calls and are excluded:
///
/// - a span around other calls, if it has no usage of its own, or the usage of one of these calls, or the sum of their usage;
/// - all but one of the calls with the same response ID;
/// - the report of a second instrumentation;
/// - a call whose report in another trace is counted.
///
/// A parent link alone does not prove that a call repeats another call, because concurrent calls are often reported as children of one
/// another. All spans below a named pipeline belong to the outermost pipeline. User and session of a span come from the
/// nearest span above it that names them, because many clients name them only in the root span.
///
/// The time is proportional to the number of nodes, and slightly longer if response IDs repeat. Missing or cyclic parents are allowed.
pub fn decide_trace(nodes: &[SpanNode]) -> Vec<SpanDecision> {
    let tree = SpanTree::new(nodes);
    let mut decisions: Vec<SpanDecision> = nodes.iter().map(|node| node.local_decision.clone()).collect();
    let mut counted: Vec<bool> = nodes.iter().map(|node| node.local_decision.counted).collect();
    let mut same = wrapping_calls(nodes, &tree);
    for (place, inner) in same.iter().copied() {
        counted[place] = false;
        decisions[place].counted = false;
        decisions[place].exclusion = Some(Exclusion::WrapsCall { span_id: nodes[inner].span_id });
    }
    let repeats = repeated_responses(nodes, &tree, &counted);
    for (place, kept) in repeats.iter().copied() {
        counted[place] = false;
        decisions[place].counted = false;
        decisions[place].exclusion = Some(Exclusion::SameResponse { span_id: nodes[kept].span_id });
    }
    same.extend(repeats);
    let second_reports = reporters::second_reports(nodes, &tree, &mut counted);
    for (place, kept) in second_reports.iter().copied() {
        decisions[place].counted = false;
        decisions[place].exclusion = Some(Exclusion::DuplicateReport { span_id: Some(nodes[kept].span_id) });
    }
    same.extend(second_reports);
    for place in repeated_sums(nodes, &tree) {
        decisions[place].counted = false;
        decisions[place].exclusion = Some(Exclusion::SumOfCalls);
    }
    duplicate_reports::exclude_reported_elsewhere(nodes, &same, &mut decisions);
    for &place in &tree.top_down_order {
        let Some(above) = tree.parent[place].map(|parent| decisions[parent].clone()) else { continue };
        let own = &mut decisions[place];
        if above.pipeline.is_some() {
            own.pipeline = above.pipeline;
            own.is_run = false;
        }
        own.user_id = own.user_id.take().or(above.user_id);
        own.session_id = own.session_id.take().or(above.session_id);
    }
    decisions
}

/// Tree of spans, as indexes into the list of nodes.
struct SpanTree {
    /// Index of the parent, if it is known. Cycles are cut at their smallest ID.
    parent: Vec<Option<usize>>,
    /// All indexes, each after its parent.
    top_down_order: Vec<usize>,
    /// Number of spans above each span.
    depth: Vec<u32>,
    /// Nearest call of the same kind above each call, otherwise the nearest other use of a model.
    enclosing_call: Vec<Option<usize>>,
}

impl SpanTree {
    fn new(nodes: &[SpanNode]) -> SpanTree {
        let mut places: HashMap<SpanId, usize> = HashMap::with_capacity(nodes.len());
        for (place, node) in nodes.iter().enumerate() {
            let known = places.entry(node.span_id).or_insert(place);
            // If an ID occurs twice, the earlier span represents it, so that the order of the list does not matter.
            if (node.start_us, node.end_us) < (nodes[*known].start_us, nodes[*known].end_us) {
                *known = place;
            }
        }
        let above =
            |node: &SpanNode| node.parent_span_id.filter(|parent| *parent != node.span_id).and_then(|parent| places.get(&parent).copied());
        let mut parent: Vec<Option<usize>> = nodes.iter().map(above).collect();
        let mut tree = SpanTree {
            top_down_order: Vec::with_capacity(nodes.len()),
            depth: vec![0; nodes.len()],
            enclosing_call: vec![None; nodes.len()],
            parent: Vec::new(),
        };
        // Each walk goes up to a placed span, to the top, or around a cycle.
        let mut state = vec![NodeVisitState::New; nodes.len()];
        let mut walk = Vec::new();
        for start in 0..nodes.len() {
            let mut at = start;
            while state[at] == NodeVisitState::New {
                state[at] = NodeVisitState::OnPath;
                walk.push(at);
                match parent[at] {
                    Some(next) if state[next] == NodeVisitState::OnPath => {
                        // Walked and not placed: the walk has returned to itself.
                        let circle = walk.iter().position(|place| *place == next).unwrap_or(0);
                        let cut = walk[circle..].iter().copied().min_by_key(|place| nodes[*place].span_id).unwrap_or(at);
                        parent[cut] = None;
                        // The spans that the walk passed after the cut are below it: rotate the cycle so that the cut comes last.
                        let turn = walk[circle..].iter().position(|place| *place == cut).unwrap_or(0) + 1;
                        walk[circle..].rotate_left(turn);
                    }
                    Some(next) => at = next,
                    None => {}
                }
            }
            while let Some(place) = walk.pop() {
                state[place] = NodeVisitState::Done;
                tree.top_down_order.push(place);
            }
        }
        tree.parent = parent;
        tree.find_enclosing_calls(nodes);
        tree
    }

    fn find_enclosing_calls(&mut self, nodes: &[SpanNode]) {
        // Nearest call of each kind at or above each index.
        let mut nearest: Vec<[Option<usize>; 3]> = vec![[None; 3]; nodes.len()];
        for &place in &self.top_down_order {
            let above = self.parent[place];
            let mut own = above.map_or([None; 3], |parent| nearest[parent]);
            self.depth[place] = above.map_or(0, |parent| self.depth[parent] + 1);
            let kind = match nodes[place].kind {
                SpanType::Llm => Some(0),
                SpanType::Embedding => Some(1),
                _ => nodes[place].is_other_model_use.then_some(2),
            };
            if let Some(kind) = kind {
                // A reranking may be done by a call of a language model.
                self.enclosing_call[place] = own[kind].or(own[2]);
                own[kind] = Some(place);
            }
            nearest[place] = own;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeVisitState {
    New,
    OnPath,
    Done,
}

/// Input and output tokens of a call.
type CallTokenCounts = (Option<u64>, Option<u64>);

/// Returns the token counts of a call, if any are known.
fn tokens(node: &SpanNode) -> Option<CallTokenCounts> {
    let any = node.input_tokens.is_some() || node.output_tokens.is_some();
    any.then_some((node.input_tokens, node.output_tokens))
}

/// Returns the order of two equal spans: the earlier one is named, so that the order of the list does not matter.
fn order(node: &SpanNode) -> (i64, SpanId) {
    (node.start_us, node.span_id)
}

/// Totals of the calls directly below a call.
#[derive(Debug, Clone, Copy)]
struct ChildCallTotals {
    calls: usize,
    /// Sum of their tokens; `None` once one of them is unknown.
    sum: Option<(u64, u64)>,
    /// Earliest call whose response ID does not differ from the one above.
    same_id_call: Option<usize>,
    /// Earliest of these that also has the same usage and model.
    same_usage_call: Option<usize>,
}

/// Returns the calls around others, each with the index of a call inside.
fn wrapping_calls(nodes: &[SpanNode], tree: &SpanTree) -> Vec<(usize, usize)> {
    let mut below = vec![ChildCallTotals { calls: 0, sum: Some((0, 0)), same_id_call: None, same_usage_call: None }; nodes.len()];
    let mut found = Vec::new();
    for &place in tree.top_down_order.iter().rev().filter(|place| nodes[**place].is_model_use() && nodes[**place].local_decision.counted) {
        let inner = below[place];
        let sum = inner.sum.filter(|_| inner.calls > 0).map(|(input, output)| (Some(input), Some(output)));
        let mut usage = tokens(&nodes[place]);
        let wrapped = match usage {
            None => inner.same_id_call,
            Some(_) if inner.calls > 1 && sum == usage => inner.same_id_call.or(inner.same_usage_call),
            Some(_) => inner.same_usage_call,
        };
        let wrapped = wrapped.filter(|wrapped| !nodes[place].is_other_model_use || may_wrap_use(&nodes[place], &nodes[*wrapped]));
        // The report of a model's server names no model: then the call around it says more.
        let says_less = |wrapped: &usize| nodes[*wrapped].model.is_none() && nodes[place].model.is_some() && usage.is_some();
        if let Some(wrapped) = wrapped.filter(|wrapped| !says_less(wrapped)) {
            found.push((place, wrapped));
            // A wrapper without usage represents the sum of its calls if something wraps it in turn.
            usage = usage.or(sum);
        }
        if let Some(above) = tree.enclosing_call[place].filter(|above| is_within(&nodes[place], &nodes[*above])) {
            below[above].add(place, usage, above, nodes);
        }
    }
    found
}

impl ChildCallTotals {
    fn add(&mut self, place: usize, usage: Option<CallTokenCounts>, above: usize, nodes: &[SpanNode]) {
        let known = usage.and_then(|(input, output)| input.zip(output));
        self.calls += 1;
        self.sum = self.sum.zip(known).map(|(sum, own)| (sum.0.saturating_add(own.0), sum.1.saturating_add(own.1)));
        let earlier = |known: Option<usize>| known.is_none_or(|known| order(&nodes[place]) < order(&nodes[known]));
        if have_different_ids(&nodes[place], &nodes[above]) {
            return;
        }
        if earlier(self.same_id_call) {
            self.same_id_call = Some(place);
        }
        let same = usage.is_some() && usage == tokens(&nodes[above]) && same_model(&nodes[place], &nodes[above]);
        if same && earlier(self.same_usage_call) {
            self.same_usage_call = Some(place);
        }
    }
}

/// Returns whether a use of a model that is not an LLM call may be a wrapper around a use or a call below it: of the same model, and
/// without units of its own.
fn may_wrap_use(outer: &SpanNode, inner: &SpanNode) -> bool {
    let has_same_units = outer.units.is_none() || outer.units == inner.units;
    let is_same_use = outer.kind == inner.kind || tokens(outer).is_some();
    has_same_units && is_same_use && same_model(inner, outer)
}

/// Returns the counted agents below which another span reports usage by now: a call, or another counted agent.
fn repeated_sums(nodes: &[SpanNode], tree: &SpanTree) -> Vec<usize> {
    if !nodes.iter().any(SpanNode::is_counted_agent) {
        return Vec::new();
    }
    let has_usage_below = usage_below(nodes, tree);
    (0..nodes.len()).filter(|place| nodes[*place].is_counted_agent() && has_usage_below[*place]).collect()
}

/// Returns for each span whether a span below it reports usage: a call, another use of a model, or a counted agent.
fn usage_below(nodes: &[SpanNode], tree: &SpanTree) -> Vec<bool> {
    let mut is_below = vec![false; nodes.len()];
    for &place in tree.top_down_order.iter().rev() {
        let reports = (nodes[place].is_model_use() && tokens(&nodes[place]).is_some()) || nodes[place].is_counted_agent();
        if let Some(parent) = tree.parent[place].filter(|_| reports || is_below[place]) {
            is_below[parent] = true;
        }
    }
    is_below
}

/// Returns whether the nodes contain an agent that reports usage and is not counted, although no span below it reports usage.
pub fn has_uncounted_sum(nodes: &[SpanNode]) -> bool {
    let is_uncounted = |node: &SpanNode| node.reports_sum() && !node.local_decision.counted && tokens(node).is_some();
    if !nodes.iter().any(is_uncounted) {
        return false;
    }
    let has_usage_below = usage_below(nodes, &SpanTree::new(nodes));
    nodes.iter().zip(has_usage_below).any(|(node, is_below)| is_uncounted(node) && !is_below)
}

/// Returns whether a call is within another in time, as a wrapped call is.
fn is_within(inner: &SpanNode, outer: &SpanNode) -> bool {
    inner.start_us >= outer.start_us.saturating_sub(CLOCK_TOLERANCE_US) && inner.end_us <= outer.end_us.saturating_add(CLOCK_TOLERANCE_US)
}

/// Returns whether two calls have different response IDs.
fn have_different_ids(one: &SpanNode, other: &SpanNode) -> bool {
    one.response_id.as_ref().zip(other.response_id.as_ref()).is_some_and(|(one, other)| one != other)
}

/// Returns whether two names may mean one model: with or without a vendor as prefix, with or without a date as suffix.
fn same_model(one: &SpanNode, other: &SpanNode) -> bool {
    let bare = |node: &SpanNode| node.model.as_ref().map(|model| model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase());
    match (bare(one), bare(other)) {
        (Some(one), Some(other)) => one.starts_with(&other) || other.starts_with(&one),
        _ => true,
    }
}

/// Maximum number of different calls with one response ID that are checked for overlap in time.
const MAX_OVERLAP_CHECKS: usize = 16;

/// Returns the calls whose response another call has too, each with the index of the one that is kept: the one with usage, then
/// the one with a model, then the inner, then the earlier. Test doubles give one ID to many responses, so different usage at different times means two calls.
fn repeated_responses(nodes: &[SpanNode], tree: &SpanTree, counted: &[bool]) -> Vec<(usize, usize)> {
    let mut groups: HashMap<(SpanType, &str), Vec<usize>> = HashMap::new();
    for (place, node) in nodes.iter().enumerate() {
        if let Some(id) = node.response_id.as_deref().filter(|id| counted[place] && node.is_model_use() && !id.is_empty()) {
            groups.entry((node.kind, id)).or_default().push(place);
        }
    }
    let mut found = Vec::new();
    for mut group in groups.into_values().filter(|group| group.len() > 1) {
        group.sort_unstable_by_key(|place| {
            let node = &nodes[*place];
            (tokens(node).is_none(), node.model.is_none(), std::cmp::Reverse(tree.depth[*place]), order(node))
        });
        let mut kept: Vec<usize> = Vec::new();
        let mut by_usage: HashMap<CallTokenCounts, usize> = HashMap::new();
        for place in group {
            let usage = tokens(&nodes[place]);
            let overlapping = || kept.iter().take(MAX_OVERLAP_CHECKS).copied().find(|other| do_overlap(&nodes[place], &nodes[*other]));
            let same = match usage {
                Some(usage) => by_usage.get(&usage).copied().or_else(overlapping),
                None => overlapping().or(kept.first().copied()),
            };
            match same {
                Some(same) => found.push((place, same)),
                None => {
                    kept.push(place);
                    by_usage.extend(usage.map(|usage| (usage, place)));
                }
            }
        }
    }
    found
}

fn do_overlap(one: &SpanNode, other: &SpanNode) -> bool {
    one.start_us <= other.end_us && other.start_us <= one.end_us
}

#[cfg(test)]
mod tests;
