//! Signals: faults that the spans of a run show, found without a model.
//!
//! [`of_trace`] looks at one trace, [`of_conversation`] at all traces of a conversation. Both are pure and take time linear in the number of
//! spans and messages (sorting aside). They read prefixes of long texts: each module states its limits. Missing data, such as
//! messages that a client does not send, gives no finding. `docs/signals.md` describes the kinds, their thresholds and their measured
//! precision and recall.

mod answers;
mod arguments;
mod context_growth;
mod handoffs;
mod language;
mod offered_tools;
mod phrases;
mod question_words;
mod questions;
mod repeated_calls;
mod run;
mod run_limit;
mod text;
mod tool_calls;
mod tool_errors;
pub mod wasted_cost;

use std::borrow::Cow;

use hinomi_model::finding;
use hinomi_model::span::Span;

pub use answers::is_refusal;
pub(crate) use arguments::{are_as_the_model_wrote, fault_of_schema};
pub use finding::{
    ArgumentFault, FindingDetector, FindingExplanation, FindingKind, FindingSeverity, RunLimitKind, SignalFinding, TruncationSource,
};
pub(crate) use language::{TEXT_BYTES as LANGUAGE_TEXT_BYTES, are_confusable, are_different_languages, language_of};
pub(crate) use offered_tools::{ToolRequest, tool_requests, tools_that_rejected_arguments};
pub use questions::QuestionHistory;
use run::AnalyzedRun;
pub(crate) use text::is_cut;

/// Hash map with a fast hash function.
type Map<K, V> = std::collections::HashMap<K, V, ahash::RandomState>;
/// Hash set with a fast hash function.
pub(crate) type Set<T> = std::collections::HashSet<T, ahash::RandomState>;

/// Maximum number of findings of one trace or conversation. The most severe ones are returned.
pub const MAX_FINDINGS: usize = 200;

/// Returns the final answer of a trace with all its parts, and the question of the user that it answers, if it is known.
pub(crate) fn question_and_answer<'a>(spans: &[&'a Span]) -> Option<(Option<&'a str>, Cow<'a, str>)> {
    let run = AnalyzedRun::of(spans);
    let answer = run.final_answer()?;
    Some((run.question(answer), run::whole_output_text(answer.span)?))
}

/// Returns the findings of one trace, the most severe first. The spans may be in any order and incomplete. `question_repeated` is found
/// by [`of_conversation`] alone.
pub fn of_trace(spans: &[&Span]) -> Vec<SignalFinding> {
    let mut findings = Vec::new();
    if !spans
        .iter()
        .any(|span| span.is_call() || matches!(span.kind, hinomi_model::span::SpanType::Agent | hinomi_model::span::SpanType::Tool))
    {
        return findings;
    }
    let run = AnalyzedRun::of(spans);
    repeated_calls::tools(&run, &mut findings);
    repeated_calls::model_calls(&run, &mut findings);
    handoffs::find(&run, &mut findings);
    tool_errors::find(&run, &mut findings);
    answers::truncated(&run, &mut findings);
    answers::empty(&run, &mut findings);
    answers::refusal(&run, &mut findings);
    offered_tools::find(&run, &mut findings);
    run_limit::find(&run, &mut findings);
    context_growth::find(&run, &mut findings);
    language::find(&run, &mut findings);
    in_order(findings)
}

/// Returns the findings of a conversation: the same question within three turns. Each element has the spans of one trace; the traces are in
/// order of time. History that a client sends again is not a repetition.
pub fn of_conversation(traces: &[&[&Span]]) -> Vec<SignalFinding> {
    let mut history = QuestionHistory::default();
    in_order(traces.iter().flat_map(|trace| history.add_trace(trace)).collect())
}

fn in_order(mut findings: Vec<SignalFinding>) -> Vec<SignalFinding> {
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.kind));
    findings.truncate(MAX_FINDINGS);
    findings
}

#[cfg(test)]
mod tests;
