//! `answer_truncated`, `answer_empty` and `refusal`: the last answer of a run.

use hinomi_model::normalize::parameters;
use hinomi_model::span::{MessagePart, Span, SpanStatus, UsageSource};
use serde_json::Value;

use super::finding::{FindingExplanation, FindingSeverity, SignalFinding, TruncationSource};
use super::phrases::declines;
use super::run::{AnalyzedRun, output_text};
use super::text::suffix;

/// Finish reasons that mean a length limit, in lower case.
const LENGTH_REASONS: &[&str] = &[
    "length",
    "max_tokens",
    "max_output_tokens",
    "max-tokens",
    "maxtokens",
    "max_length",
    "model_length",
    "token_limit",
    "max_new_tokens",
    "model_context_window_exceeded",
];
/// Finish reasons of refusals.
const REFUSAL_REASONS: &[&str] = &["refusal"];
/// Names of the limit of output tokens among the parameters of a request.
const LIMIT_NAMES: &[&str] = &["max_completion_tokens", "max_output_tokens", "max_tokens"];
/// Largest limit of output tokens that a program sets on purpose to get one word.
const MAX_ONE_WORD_LIMIT: u64 = 16;
/// Output tokens of a response without content: an end token or two.
const MAX_EMPTY_TOKENS: u64 = 4;
/// Attributes that contain the output as sent. They stay among the attributes if they contain no message.
const OUTPUT_ATTRIBUTES: &[&str] = &[
    "gen_ai.output.messages",
    "gen_ai.response.text",
    "ai.response.text",
    "langfuse.observation.output",
    "output.value",
    "gen_ai.completion",
];

/// Finds a last answer that was cut at a length limit.
pub(super) fn truncated(run: &AnalyzedRun, findings: &mut Vec<SignalFinding>) {
    let Some(call) = run.last_call().filter(|call| call.status != SpanStatus::Error) else { return };
    let limit = LIMIT_NAMES.iter().find_map(|name| {
        let prefixes =
            ["gen_ai.request.", "gen_ai.", "ai.", "llm.request.", "openai.request.", "anthropic.request.", "gen_ai.openai.request."];
        debug_assert!(parameters::is_parameter(&format!("gen_ai.request.{name}")));
        prefixes.iter().find_map(|prefix| number(call.attributes.get(&format!("{prefix}{name}"))?))
    });
    if limit.is_some_and(|limit| limit <= MAX_ONE_WORD_LIMIT) {
        return;
    }
    let output_tokens = call.usage.output_tokens().filter(|_| call.usage.source == Some(UsageSource::Reported));
    let by_reason = call.finish_reasons.iter().any(|reason| is_length_reason(reason));
    let is_at_limit = call.finish_reasons.is_empty() && limit.is_some() && output_tokens == limit;
    if !by_reason && !is_at_limit {
        return;
    }
    let source = if by_reason { TruncationSource::FinishReason } else { TruncationSource::TokenLimit };
    let confidence = if by_reason { 0.98 } else { 0.85 };
    let finding = SignalFinding::new(
        FindingSeverity::Warning,
        confidence,
        vec![call.span_id],
        FindingExplanation::Truncated { source, output_tokens },
    );
    findings.push(finding.with_evidence(output_text(call).map_or("", |text| suffix(text, 120))));
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64)).or_else(|| value.as_str()?.trim().parse().ok())
}

fn is_length_reason(reason: &str) -> bool {
    let reason = reason.trim_start_matches("FinishReason.").trim_start_matches("FINISH_REASON_");
    LENGTH_REASONS.iter().any(|name| reason.eq_ignore_ascii_case(name))
}

/// Finds a last answer without content.
pub(super) fn empty(run: &AnalyzedRun, findings: &mut Vec<SignalFinding>) {
    let Some(call) = run.last_call() else { return };
    if call.status != SpanStatus::Ok || call.failure.is_some() || has_content(call) || call.is_incomplete() {
        return;
    }
    // The run may return something else than the text of its last call.
    let is_returned = run.root().is_some_and(|root| root.span_id != call.span_id && has_content(root));
    let output_tokens = call.usage.output_tokens().filter(|_| call.usage.source == Some(UsageSource::Reported));
    if is_returned || !is_recorded(run, call, output_tokens) {
        return;
    }
    findings.push(SignalFinding::new(FindingSeverity::Critical, 0.9, vec![call.span_id], FindingExplanation::Empty { output_tokens }));
}

/// Returns true if the client records outputs, so that a missing one was empty.
fn is_recorded(run: &AnalyzedRun, call: &Span, output_tokens: Option<u64>) -> bool {
    let records_inputs = !call.input_messages.is_empty();
    let has_empty_message = call.output_messages.iter().any(|message| message.role == "assistant");
    let is_sent_empty = || {
        OUTPUT_ATTRIBUTES
            .iter()
            .any(|name| call.attributes.get(*name).is_some_and(|value| matches!(value.as_str(), Some("" | "[]" | "null"))))
    };
    let others_are_recorded = || run.calls.iter().any(|other| other.span_id != call.span_id && has_content(other));
    let is_short = output_tokens.is_some_and(|tokens| tokens <= MAX_EMPTY_TOKENS);
    let has_stopped = call.finish_reasons.iter().any(|reason| matches!(reason.as_str(), "stop" | "end_turn" | "STOP" | "completed"));
    if has_empty_message || is_sent_empty() {
        return records_inputs || is_short || others_are_recorded();
    }
    (records_inputs && is_short) || (has_stopped && records_inputs && output_tokens.is_none() && others_are_recorded())
}

fn has_content(span: &Span) -> bool {
    span.output_messages.iter().filter(|message| message.role != "tool").flat_map(|message| &message.parts).any(|part| match part {
        MessagePart::Text { text } => !text.trim().is_empty(),
        MessagePart::Reasoning { .. } => false,
        MessagePart::Other { content } => !matches!(content.trim(), "" | "{}" | "[]" | "null"),
        MessagePart::ToolCall { .. } | MessagePart::ToolResult { .. } | MessagePart::Media { .. } => true,
    })
}

/// Finds a final answer that declines the request.
pub(super) fn refusal(run: &AnalyzedRun, findings: &mut Vec<SignalFinding>) {
    let Some(call) = run.last_call().filter(|call| call.status != SpanStatus::Error) else { return };
    let by_finish_reason = call.finish_reasons.iter().any(|reason| REFUSAL_REASONS.contains(&reason.as_str()));
    let answer = run.final_answer();
    let is_declined = by_finish_reason || answer.is_some_and(|answer| is_refusal(answer.text));
    if !is_declined {
        return;
    }
    let confidence = if by_finish_reason { 0.98 } else { 0.85 };
    let ids = vec![answer.map_or(call.span_id, |answer| answer.span.span_id)];
    let finding = SignalFinding::new(FindingSeverity::Info, confidence, ids, FindingExplanation::Declined { by_finish_reason });
    findings.push(finding.with_evidence(answer.map_or("", |answer| answer.text)));
}

/// Returns true if a text alone is a refusal: it declines what was asked as a whole. Texts that go on to give something, or that report
/// a failure, are not refusals. Reads at most the first kilobytes of the text.
pub fn is_refusal(text: &str) -> bool {
    !text.trim_start().starts_with(['{', '[', '<', '`']) && declines(text)
}
