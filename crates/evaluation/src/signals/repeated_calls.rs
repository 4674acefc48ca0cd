//! `tool_loop` and `retry_storm`: calls that are repeated without progress.

use hinomi_model::id::SpanId;
use hinomi_model::span::{Span, SpanStatus, SpanType};

use super::finding::{FindingExplanation, FindingSeverity, SignalFinding};
use super::run::AnalyzedRun;
use super::text::{bigram_similarity, json_hash, last_text, prefix, text_hash};
use super::tool_calls::ToolCall;
use super::{Map, Set};

/// Number of equal calls with an equal result that are a loop.
const MIN_EQUAL_CALLS: usize = 4;
/// Number of failures that are a loop or a retry storm.
const MIN_FAILURES: usize = 5;
/// Similarity of the arguments of successive failures that differ only a little.
const MIN_ARGUMENT_SIMILARITY: f64 = 0.5;
/// Parts of names of tools that go on by one step with each call, such as the next page. Their result may only acknowledge the step.
const STEP_WORDS: &[&str] =
    &["next", "scroll", "click", "press", "page", "wait", "sleep", "advance", "swipe", "tap", "key", "undo", "redo", "tick"];
/// Longest result that may be only an acknowledgement, in bytes.
const MAX_ACKNOWLEDGEMENT: usize = 48;

/// Finds tool loops and storms of failed tool calls.
pub(super) fn tools<'a>(run: &AnalyzedRun<'a>, findings: &mut Vec<SignalFinding>) {
    let mut by_name: Map<&str, Vec<&ToolCall>> = Map::default();
    if run.tools.len() < MIN_EQUAL_CALLS {
        return;
    }
    for call in &run.tools {
        by_name.entry(call.name).or_default().push(call);
    }
    let mut groups: Vec<(&str, Vec<&ToolCall>)> = by_name.into_iter().filter(|(_, calls)| calls.len() >= MIN_EQUAL_CALLS).collect();
    groups.sort_unstable_by_key(|(name, _)| *name);
    for (name, calls) in groups.into_iter().filter(|(_, calls)| may_repeat(calls)) {
        let mut by_task: Map<u64, Vec<&ToolCall>> = Map::default();
        for call in calls {
            let requested_by = call.requested_by.or_else(|| run.call_before(call.start_us));
            by_task.entry(requested_by.map_or(0, |call| run.task(call))).or_default().push(call);
        }
        let mut tasks: Vec<Vec<&ToolCall>> = by_task.into_values().filter(|calls| calls.len() >= MIN_EQUAL_CALLS).collect();
        tasks.sort_unstable_by_key(|calls| calls[0].start_us);
        for calls in tasks {
            let storms = equal_calls(run, name, &calls, findings);
            similar_failures(run, name, &calls, &storms, findings);
        }
    }
}

/// Returns true if calls have enough equal arguments or failures for a finding. Looking at their tasks takes longer.
fn may_repeat(calls: &[&ToolCall]) -> bool {
    let mut counts: Map<u64, usize> = Map::default();
    let mut is_often = |arguments: &str| {
        let count = counts.entry(json_hash(arguments)).or_default();
        *count += 1;
        *count >= MIN_EQUAL_CALLS
    };
    calls.iter().filter_map(|call| call.arguments).any(&mut is_often)
        || calls.iter().filter(|call| call.has_failed()).count() >= MIN_FAILURES
}

/// Finds calls with equal arguments. Returns the arguments of those that failed again and again.
fn equal_calls(run: &AnalyzedRun, name: &str, calls: &[&ToolCall], findings: &mut Vec<SignalFinding>) -> Set<u64> {
    let mut by_arguments: Map<u64, Vec<&ToolCall>> = Map::default();
    for call in calls {
        if let Some(arguments) = call.arguments {
            by_arguments.entry(json_hash(arguments)).or_default().push(call);
        }
    }
    let mut groups: Vec<(u64, Vec<&ToolCall>)> = by_arguments.into_iter().filter(|(_, calls)| calls.len() >= MIN_EQUAL_CALLS).collect();
    groups.sort_unstable_by_key(|(_, calls)| calls[0].start_us);
    let mut storms = Set::default();
    for (arguments, calls) in groups {
        let failed = in_sequence(calls.iter().copied().filter(|call| call.has_failed()));
        if failed.len() >= MIN_FAILURES {
            storms.insert(arguments);
            let explanation = FindingExplanation::ToolRetries { tool: name.to_owned(), attempts: failed.len() as u64 };
            let ids = failed.iter().map(|call| call.span_id).collect();
            let finding = SignalFinding::new(FindingSeverity::Warning, 0.95, ids, explanation).with_wasted_calls(repeats(run, &failed));
            findings.push(finding.with_evidence(failed[0].failure.unwrap_or_default()));
        }
        loop_of(run, name, &calls, findings);
    }
    storms
}

/// Returns the result of a call, or the error if it failed without a result.
fn result_of<'a>(call: &ToolCall<'a>) -> Option<&'a str> {
    call.result.or(call.failure.filter(|text| !text.is_empty()))
}

/// Finds a loop among calls with equal arguments: those whose result is the last one. A result that changed at the end is progress.
fn loop_of(run: &AnalyzedRun, name: &str, calls: &[&ToolCall], findings: &mut Vec<SignalFinding>) {
    let Some(last) = calls.last().and_then(|call| result_of(call)) else { return };
    let hash = json_hash(last);
    let same = in_sequence(calls.iter().copied().filter(|call| result_of(call).is_some_and(|result| json_hash(result) == hash)));
    // A program that retries a failed call without asking the model is a retry storm, not a loop.
    let rounds: Set<usize> = same.iter().filter_map(|call| call.round.or_else(|| run.call_before(call.start_us))).collect();
    if same.len() < MIN_EQUAL_CALLS || (same[0].has_failed() && rounds.len() < MIN_EQUAL_CALLS) || is_step(name, last) {
        return;
    }
    let explanation = FindingExplanation::SameCallSameResult { tool: name.to_owned(), calls: same.len() as u64 };
    let ids = same.iter().map(|call| call.span_id).collect();
    let finding = SignalFinding::new(FindingSeverity::Warning, 0.95, ids, explanation).with_wasted_calls(repeats(run, &same));
    findings.push(finding.with_evidence(same[0].arguments.unwrap_or_default()));
}

/// Returns true for tools that go on by a step and only acknowledge it.
fn is_step(name: &str, result: &str) -> bool {
    let name = name.to_lowercase();
    result.len() <= MAX_ACKNOWLEDGEMENT
        && STEP_WORDS.iter().any(|word| name.split(|c: char| !c.is_alphanumeric()).any(|part| part == *word))
}

/// Finds calls that fail in the same way with arguments that differ a little.
fn similar_failures(run: &AnalyzedRun, name: &str, calls: &[&ToolCall], storms: &Set<u64>, findings: &mut Vec<SignalFinding>) {
    let mut rows: Map<u64, Vec<&ToolCall>> = Map::default();
    for call in calls.iter().filter(|call| call.has_failed()) {
        rows.entry(failure_form(call.failure.unwrap_or_default())).or_default().push(call);
    }
    let mut rows: Vec<Vec<&ToolCall>> = rows.into_values().filter(|calls| calls.len() >= MIN_FAILURES).collect();
    rows.sort_unstable_by_key(|calls| calls[0].start_us);
    for calls in rows {
        let calls = in_sequence(calls.into_iter());
        let hashes: Set<u64> = calls.iter().filter_map(|call| call.arguments).map(json_hash).collect();
        let is_equal = hashes.len() <= 1 || hashes.iter().all(|hash| storms.contains(hash));
        let alike = calls.windows(2).filter(|pair| are_alike(pair[0].arguments, pair[1].arguments)).count();
        if calls.len() < MIN_FAILURES || is_equal || alike + 1 < MIN_FAILURES.max(calls.len() * 3 / 4) {
            continue;
        }
        let explanation = FindingExplanation::SameFailure { tool: name.to_owned(), calls: calls.len() as u64 };
        let ids = calls.iter().map(|call| call.span_id).collect();
        let finding = SignalFinding::new(FindingSeverity::Warning, 0.85, ids, explanation).with_wasted_calls(repeats(run, &calls));
        findings.push(finding.with_evidence(calls[0].failure.unwrap_or_default()));
    }
}

fn are_alike(left: Option<&str>, right: Option<&str>) -> bool {
    matches!((left, right), (Some(left), Some(right)) if bigram_similarity(left, right) >= MIN_ARGUMENT_SIMILARITY)
}

/// Returns a hash of an error without what differs from call to call: digits, quoted texts and paths.
fn failure_form(failure: &str) -> u64 {
    let mut form = String::new();
    let mut quote = None;
    for character in prefix(failure, 400).chars() {
        match (quote, character) {
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(character),
            (None, '\'') if !form.ends_with(char::is_alphanumeric) => quote = Some(character),
            (None, c) if c.is_ascii_digit() => {}
            (None, c) => form.extend(c.to_lowercase()),
        }
    }
    let words: Vec<&str> = form.split_whitespace().filter(|word| !word.contains(['/', '\\', '=', '@'])).take(12).collect();
    text_hash(&words.join(" "))
}

/// Returns the calls that follow each other: of calls that overlap in time, or that one response requested, the one that ended first.
fn in_sequence<'r, 'a>(calls: impl Iterator<Item = &'r ToolCall<'a>>) -> Vec<&'r ToolCall<'a>> {
    let mut calls: Vec<&ToolCall> = calls.collect();
    calls.sort_by_key(|call| call.end_us);
    let mut kept: Vec<&ToolCall> = Vec::with_capacity(calls.len());
    for call in calls {
        let follows = kept.last().is_none_or(|last| {
            let same_round = call.round.is_some() && call.round == last.round;
            !same_round && (call.start_us >= last.end_us || call.round != last.round)
        });
        if follows {
            kept.push(call);
        }
    }
    kept
}

/// Returns the model calls that requested repeats: all but the first.
fn repeats(run: &AnalyzedRun, calls: &[&ToolCall]) -> Vec<SpanId> {
    let requests = calls.iter().filter_map(|call| call.requested_by.or_else(|| run.call_before(call.start_us)));
    let mut requests: Vec<usize> = requests.collect();
    requests.dedup();
    requests.into_iter().skip(1).map(|at| run.calls[at].span_id).collect()
}

/// Finds model calls that failed again and again.
pub(super) fn model_calls(run: &AnalyzedRun, findings: &mut Vec<SignalFinding>) {
    let is_failed = |span: &&&Span| matches!(span.kind, SpanType::Llm | SpanType::Embedding) && span.status == SpanStatus::Error;
    let failed: Vec<&Span> = run.spans.iter().filter(is_failed).copied().collect();
    if failed.len() < MIN_FAILURES {
        return;
    }
    let mut by_input: Map<(Option<&str>, u64), Vec<&Span>> = Map::default();
    for span in failed {
        let model = span.request_model.as_deref().or(span.response_model.as_deref());
        by_input.entry((model, input_identity(span))).or_default().push(span);
    }
    let mut groups: Vec<_> = by_input.into_iter().filter(|(_, calls)| calls.len() >= MIN_FAILURES).collect();
    groups.sort_unstable_by_key(|(_, calls)| calls[0].start_us);
    for ((model, _), mut calls) in groups {
        calls.sort_by_key(|call| call.end_us);
        let mut attempts: Vec<&Span> = Vec::new();
        for call in calls {
            if attempts.last().is_none_or(|last| call.start_us >= last.end_us) {
                attempts.push(call);
            }
        }
        if attempts.len() < MIN_FAILURES {
            continue;
        }
        let explanation = FindingExplanation::ModelRetries { model: model.map(str::to_owned), attempts: attempts.len() as u64 };
        let ids: Vec<SpanId> = attempts.iter().map(|call| call.span_id).collect();
        let finding = SignalFinding::new(FindingSeverity::Warning, 0.95, ids.clone(), explanation).with_wasted_calls(ids);
        findings.push(finding.with_evidence(attempts[0].status_detail.as_deref().unwrap_or_default()));
    }
}

/// Returns a hash that identifies the input of a call: the number of messages and the last ones; the parent if no input is known.
fn input_identity(span: &Span) -> u64 {
    let Some(last) = span.input_messages.last() else { return span.parent_span_id.map_or(0, |parent| parent.0) };
    let text = last_text(&span.input_messages, "user").unwrap_or_default();
    let first = last_text(std::slice::from_ref(last), &last.role).unwrap_or_default();
    text_hash(text) ^ text_hash(first).rotate_left(7) ^ (span.input_messages.len() as u64).rotate_left(32)
}
