//! `tool_error_ignored`: a tool failed, and the final answer is silent about it.

use super::Set;
use super::finding::{FindingExplanation, FindingSeverity, SignalFinding};
use super::handoffs::is_handoff_tool;
use super::phrases::{asks_user, mentions_failure};
use super::run::AnalyzedRun;
use super::text::{contains_any, prefix};
use super::tool_calls::ToolCall;

/// Share of the words of the failed call's arguments that a replacement repeats.
const MIN_COMMON_WORDS: f64 = 0.5;
/// Words of names that say nothing about what a tool does.
#[rustfmt::skip]
const GENERIC_WORDS: &[&str] = &[
    "get", "fetch", "list", "tool", "call", "run", "api", "the", "query", "read", "load", "make", "send", "create", "update", "execute",
    "perform", "search", "lookup", "find", "check", "data", "info", "with", "for",
];
/// Words of failures that a person caused and knows of.
#[rustfmt::skip]
const KNOWN_TO_USER: &[&str] = &[
    "rejected by the user", "user rejected", "user denied", "denied by user", "cancelled by user", "canceled by user", "user declined",
    "interrupted by user",
];

/// Finds failed tool calls that the final answer ignores.
pub(super) fn find(run: &AnalyzedRun, findings: &mut Vec<SignalFinding>) {
    let mut is_first = Set::default();
    let failed = || run.tools.iter().enumerate().filter(|(_, call)| call.has_failed() && !is_handoff_tool(call.name));
    if failed().next().is_none() || run.has_failed() {
        return;
    }
    let Some(answer) = run.final_answer() else { return };
    for (at, call) in failed() {
        let failure = call.failure.unwrap_or_default();
        let later = &run.tools[at + 1..];
        let is_answered_later = call.start_us <= answer.span.end_us;
        if !is_answered_later
            || is_resolved(call, later)
            || contains_any(prefix(failure, 300), KNOWN_TO_USER)
            || !is_first.insert(call.name)
        {
            continue;
        }
        if mentions_failure(answer.text, failure) || asks_user(answer.text) {
            return;
        }
        let failures = run.tools.iter().filter(|other| other.name == call.name && other.has_failed()).count() as u64;
        let explanation = FindingExplanation::ErrorNotMentioned { tool: call.name.to_owned(), failures };
        let finding = SignalFinding::new(FindingSeverity::Warning, 0.85, vec![call.span_id, answer.span.span_id], explanation);
        findings.push(finding.with_evidence(failure));
    }
}

/// Returns true if a later call made up for a failed one: the same tool succeeded, or a similar tool, or one with the same arguments.
fn is_resolved(failed: &ToolCall, later: &[ToolCall]) -> bool {
    let words = name_words(failed.name);
    let values = argument_words(failed.arguments);
    later.iter().filter(|call| !call.has_failed()).any(|call| {
        // Of calls that one response requested, one does not replace another.
        let is_parallel = call.round.is_some() && call.round == failed.round;
        if call.name == failed.name && !is_parallel {
            return true;
        }
        if !is_parallel && name_words(call.name).intersection(&words).next().is_some() {
            return true;
        }
        let other = argument_words(call.arguments);
        let common = values.intersection(&other).count();
        !values.is_empty() && common as f64 >= MIN_COMMON_WORDS * values.len() as f64
    })
}

/// Returns the words of a tool's name that say what it does: `search` and `web` of `searchWeb`.
fn name_words(name: &str) -> Set<String> {
    let mut words = Set::default();
    let mut word = String::new();
    for character in prefix(name, 200).chars().chain(std::iter::once('_')) {
        if (!character.is_alphanumeric() || character.is_uppercase()) && !word.is_empty() {
            let word = std::mem::take(&mut word);
            if word.len() > 2 && !GENERIC_WORDS.contains(&word.as_str()) {
                words.insert(word);
            }
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
    }
    words
}

/// Returns the words of the values of JSON arguments, without the names of the members.
fn argument_words(arguments: Option<&str>) -> Set<String> {
    let text = prefix(arguments.unwrap_or_default(), 4096);
    let mut words = Set::default();
    for piece in text.split([',', '{', '}', '[', ']']) {
        let value = piece.split_once("\":").map_or(piece, |(_, value)| value);
        let split = value.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1);
        words.extend(split.map(str::to_lowercase));
    }
    words
}
