//! Finds calls that several instrumentations report: a framework and the provider's SDK, or a streamed call and the report that is
//! written after it.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::{MAX_OVERLAP_CHECKS, SpanNode, SpanTree, do_overlap, have_different_ids, is_within, order, same_model, tokens};

/// Marks the calls that repeat another report as not counted. Returns these calls, each with the index of the report that is counted.
pub(super) fn second_reports(nodes: &[SpanNode], tree: &SpanTree, counted: &mut [bool]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for rule in
        [reported_after_stream, within_other_instrumentation, siblings_of_other_instrumentation, within_time_of_other_instrumentation]
    {
        for (place, kept) in rule(nodes, tree, counted) {
            counted[place] = false;
            found.push((place, kept));
        }
    }
    found
}

/// Returns the indexes of counted calls in the order of time.
fn counted_calls(nodes: &[SpanNode], counted: &[bool]) -> Vec<usize> {
    let mut calls: Vec<usize> = (0..nodes.len()).filter(|place| counted[*place] && nodes[*place].is_model_use()).collect();
    calls.sort_unstable_by_key(|place| order(&nodes[*place]));
    calls
}

/// Logfire reports a streamed call when the stream starts, without usage, and again when it ends, with usage.
fn reported_after_stream(nodes: &[SpanNode], _: &SpanTree, counted: &[bool]) -> Vec<(usize, usize)> {
    if !nodes.iter().any(|node| node.is_written_after_call) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut open: HashMap<_, Vec<usize>> = HashMap::new();
    for place in counted_calls(nodes, counted) {
        let node = &nodes[place];
        let waiting = open.entry((node.parent_span_id, node.kind, node.reporter)).or_default();
        if !node.is_written_after_call {
            if tokens(node).is_none() && !node.failed {
                waiting.push(place);
            }
            continue;
        }
        let last = waiting.iter().rev().take(MAX_OVERLAP_CHECKS).position(|call| {
            let call = &nodes[*call];
            same_model(call, node) && !have_different_ids(call, node)
        });
        if let Some(back) = last {
            let call = waiting.remove(waiting.len() - 1 - back);
            found.push(if tokens(node).is_some() { (call, place) } else { (place, call) });
        }
    }
    found
}

/// A provider's SDK within a framework: only the framework knows the usage.
fn within_other_instrumentation(nodes: &[SpanNode], tree: &SpanTree, counted: &[bool]) -> Vec<(usize, usize)> {
    let candidates = (0..nodes.len()).filter(|place| counted[*place] && nodes[*place].is_call() && tokens(&nodes[*place]).is_none());
    let pairs = candidates.filter_map(|place| Some((place, tree.enclosing_call[place]?)));
    pairs
        .filter(|(place, above)| {
            let (inner, outer) = (&nodes[*place], &nodes[*above]);
            let same = same_model(inner, outer) && !have_different_ids(inner, outer) && is_within(inner, outer);
            let same = same && !differ_in_texts(inner, outer);
            counted[*above] && tokens(outer).is_some() && have_different_reporters(inner, outer) && !inner.failed && same
        })
        .collect()
}

/// Two independent instrumentations: their spans are siblings with the same usage at the same time, or both without usage because the
/// call failed.
fn siblings_of_other_instrumentation(nodes: &[SpanNode], tree: &SpanTree, counted: &[bool]) -> Vec<(usize, usize)> {
    let mut groups: HashMap<_, Vec<usize>> = HashMap::new();
    for place in counted_calls(nodes, counted) {
        let usage = tokens(&nodes[place]).filter(|usage| *usage != (Some(0), Some(0)));
        if usage.is_some() || nodes[place].failed {
            groups.entry((nodes[place].kind, usage, nodes[place].failed)).or_default().push(place);
        }
    }
    let mut found = Vec::new();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let mut reports: Vec<Vec<usize>> = Vec::new();
        for place in group {
            let fits = |others: &&mut Vec<usize>| {
                others.iter().all(|other| {
                    let (one, other) = (&nodes[*other], &nodes[place]);
                    let same = same_model(one, other) && !have_different_ids(one, other) && !differ_in_texts(one, other);
                    have_different_reporters(one, other) && do_overlap(one, other) && same
                })
            };
            match reports.iter_mut().rev().take(MAX_OVERLAP_CHECKS).rev().find(fits) {
                Some(others) => others.push(place),
                None => reports.push(vec![place]),
            }
        }
        for report in reports {
            let inner = |place: &usize| (nodes[*place].model.is_none(), Reverse(tree.depth[*place]), Reverse(order(&nodes[*place])));
            let Some(kept) = report.iter().copied().min_by_key(inner) else { continue };
            found.extend(report.into_iter().filter(|place| *place != kept).map(|place| (place, kept)));
        }
    }
    found
}

/// A provider's SDK within a framework that streams: neither knows the usage, and their spans are siblings because the framework's span
/// was not the current one during the request. Each call of the framework is one call of the SDK.
fn within_time_of_other_instrumentation(nodes: &[SpanNode], tree: &SpanTree, counted: &[bool]) -> Vec<(usize, usize)> {
    let is_unknown = |place: &usize| tokens(&nodes[*place]).is_none() && !nodes[*place].failed;
    let open: Vec<usize> = counted_calls(nodes, counted).into_iter().filter(is_unknown).collect();
    let first = open.first().map(|place| nodes[*place].reporter);
    if open.iter().all(|place| Some(nodes[*place].reporter) == first) {
        return Vec::new();
    }
    let mut has_one: HashSet<usize> = tree.enclosing_call.iter().copied().flatten().collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, place) in open.iter().copied().enumerate() {
        let inner = &nodes[place];
        let outer = open[..at].iter().rev().take(MAX_OVERLAP_CHECKS).copied().find(|outer| {
            let of_one_program = nodes[*outer].reporter.is_same_program(&inner.reporter);
            let outer_node = &nodes[*outer];
            let same = same_model(inner, outer_node) && !have_different_ids(inner, outer_node) && inner.kind == outer_node.kind;
            let same = same && !differ_in_texts(inner, outer_node);
            same && of_one_program && inner.end_us < outer_node.end_us && inner.start_us > outer_node.start_us && !has_one.contains(outer)
        });
        if let Some(outer) = outer.filter(|outer| !found.iter().any(|(inner, _)| inner == outer) && !has_one.contains(&place)) {
            has_one.insert(outer);
            found.push((place, outer));
        }
    }
    found
}

/// Returns whether two calls have different inputs or outputs, as far as both are known, and no common response ID. Equal counts at the same
/// time do not make them one call.
fn differ_in_texts(one: &SpanNode, other: &SpanNode) -> bool {
    let same_response = one.response_id.is_some() && one.response_id == other.response_id;
    !same_response && one.texts.zip(other.texts).is_some_and(|(one, other)| one != other)
}

fn have_different_reporters(one: &SpanNode, other: &SpanNode) -> bool {
    one.reporter != other.reporter
}
