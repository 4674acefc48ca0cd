//! `run_limit`: the run ended at a limit that the program set.

use hinomi_model::span::{Span, SpanStatus, SpanType};

use super::finding::{FindingExplanation, FindingSeverity, RunLimitKind, SignalFinding};
use super::phrases::RUN_LIMITS;
use super::run::AnalyzedRun;
use super::text::prefix;

/// Number of bytes of an error that are read.
const ERROR_BYTES: usize = 1_000;
/// Longest answer that only reports a limit, in bytes.
const MAX_STOP_TEXT: usize = 300;
/// Words of an answer that reports that the run stopped. A text that only discusses limits has none of them at its start.
const STOP_WORDS: &[&str] = &[
    "agent stopped",
    "stopped due to",
    "stopped after",
    "stopped because",
    "stopping",
    "reached",
    "exceeded",
    "need more steps",
    "without stopping",
    "hit the",
    "ran out",
    "上限に達",
    "超え",
    "打ち切",
    "停止しました",
    "中止",
    "达到",
    "超过",
];
/// Attributes of errors.
const ERROR_ATTRIBUTES: &[&str] =
    &["exception.type", "exception.message", "error.type", "error.message", "gen_ai.agent.stop_reason", "stop_reason", "subtype"];
/// Finish reasons of runs.
const LIMIT_REASONS: &[&str] =
    &["max_turns", "error_max_turns", "max_iterations", "max_steps", "max-steps", "recursion_limit", "error_max_budget_usd"];

/// Finds a run that ended at a limit.
pub(super) fn find(run: &AnalyzedRun, findings: &mut Vec<SignalFinding>) {
    let is_run = |span: &&&Span| !matches!(span.kind, SpanType::Tool | SpanType::Llm | SpanType::Embedding | SpanType::Http | SpanType::Db);
    for span in run.spans.iter().filter(is_run) {
        let by_reason = || span.finish_reasons.iter().find(|reason| LIMIT_REASONS.contains(&reason.as_str())).map(String::as_str);
        let said = if span.status == SpanStatus::Error {
            limit_in_error(span)
        } else {
            by_reason().and_then(|reason| limit_in(reason).map(|limit| (limit, reason)))
        };
        let Some((limit, text)) = said else { continue };
        // A program may go on after a failed agent and answer in another way.
        let is_answered = run
            .final_answer()
            .is_some_and(|answer| answer.span.end_us > span.end_us && !answer.span.is_call() || answer.span.start_us >= span.end_us);
        if is_answered {
            continue;
        }
        return add(span, limit, text, 0.95, findings);
    }
    if let Some(answer) = run.final_answer().filter(|answer| answer.text.len() <= MAX_STOP_TEXT) {
        let start = answer.text.to_lowercase();
        if STOP_WORDS.iter().any(|word| start.contains(word))
            && let Some(limit) = limit_in(answer.text)
            && is_program_text(run, answer.text)
        {
            add(answer.span, limit, answer.text, 0.85, findings);
        }
    }
}

/// Returns true if the program wrote a text and not the model: no call of the model returned it, or it is a known sentence of a framework.
fn is_program_text(run: &AnalyzedRun, text: &str) -> bool {
    let lower = text.to_lowercase();
    let is_known = lower.contains("agent stopped due to") || lower.contains("need more steps to process");
    let starts = [
        "agent stopped",
        "stopped",
        "stopping",
        "max",
        "reached",
        "error",
        "run ",
        "the run",
        "the agent",
        "the workflow",
        "execution",
        "iteration",
        "step",
        "turn",
        "最大",
        "上限",
        "反復",
        "ステップ",
        "ターン",
        "実行",
        "エージェント",
        "制限",
        "达到",
        "已达",
    ];
    is_known || starts.iter().any(|start| lower.starts_with(start)) || run.final_answer().is_some_and(|answer| !answer.span.is_call())
}

fn limit_in_error(span: &Span) -> Option<(RunLimitKind, &str)> {
    let in_attributes = ERROR_ATTRIBUTES.iter().filter_map(|name| span.attributes.get(*name)?.as_str());
    let mut texts = span.status_detail.as_deref().into_iter().chain(in_attributes);
    texts.find_map(|text| Some((limit_in(text)?, text)))
}

fn limit_in(text: &str) -> Option<RunLimitKind> {
    let lower = prefix(text, ERROR_BYTES).to_lowercase();
    // A limit of the provider is not one of the run.
    if lower.contains("rate limit") || lower.contains("recursion depth") {
        return None;
    }
    RUN_LIMITS.iter().find(|(phrase, _)| lower.contains(phrase)).map(|(_, limit)| *limit)
}

fn add(span: &Span, limit: RunLimitKind, text: &str, confidence: f64, findings: &mut Vec<SignalFinding>) {
    let maximum = first_number(prefix(text, ERROR_BYTES));
    let explanation = FindingExplanation::LimitReached { limit, maximum };
    findings.push(SignalFinding::new(FindingSeverity::Critical, confidence, vec![span.span_id], explanation).with_evidence(text));
}

fn first_number(text: &str) -> Option<u64> {
    let digits = text.split(|c: char| !c.is_ascii_digit());
    digits.filter(|digits| !digits.is_empty() && digits.len() <= 9).find_map(|digits| digits.parse().ok())
}
