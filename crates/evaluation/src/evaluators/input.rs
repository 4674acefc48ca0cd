//! Texts, durations and costs of a target.

use hinomi_model::span::Span;

use super::{EvaluationInput, NotApplicableReason};
use crate::signals::{final_answer, output_text, question_and_answer};

/// Returns the answers of a target: of a call its output, of a trace its final answer, of a conversation the final answers of its traces.
pub(super) fn answers<'a>(input: &EvaluationInput<'a>) -> Result<Vec<&'a str>, NotApplicableReason> {
    let answers: Vec<&str> = match input {
        EvaluationInput::Span(span) => output_text(span).into_iter().collect(),
        EvaluationInput::Trace(spans) => final_answer(spans).into_iter().collect(),
        EvaluationInput::Session(traces) => traces.iter().filter_map(|spans| final_answer(spans)).collect(),
    };
    if answers.is_empty() { Err(NotApplicableReason::NoAnswer) } else { Ok(answers) }
}

/// Returns the answers of a target, each with the question of the user that came before it, if it is known.
pub(super) fn answered<'a>(input: &EvaluationInput<'a>) -> Result<Vec<(Option<&'a str>, &'a str)>, NotApplicableReason> {
    let answered: Vec<(Option<&str>, &str)> = match input {
        EvaluationInput::Span(span) => question_and_answer(&[span]).into_iter().collect(),
        EvaluationInput::Trace(spans) => question_and_answer(spans).into_iter().collect(),
        EvaluationInput::Session(traces) => traces.iter().filter_map(|spans| question_and_answer(spans)).collect(),
    };
    if answered.is_empty() { Err(NotApplicableReason::NoAnswer) } else { Ok(answered) }
}

/// Returns all spans of a target.
pub(super) fn spans<'a>(input: &EvaluationInput<'a>) -> Vec<&'a Span> {
    match input {
        EvaluationInput::Span(span) => vec![span],
        EvaluationInput::Trace(spans) => spans.to_vec(),
        EvaluationInput::Session(traces) => traces.iter().flatten().copied().collect(),
    }
}
