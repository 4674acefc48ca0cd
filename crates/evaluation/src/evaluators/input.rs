//! Texts, durations and costs of a target.

use std::borrow::Cow;

use hinomi_model::span::Span;

use super::{EvaluationInput, NotApplicableReason};
use crate::signals::question_and_answer;

/// The question of the user, if it is known, and the answer.
type QuestionAndAnswer<'a> = (Option<&'a str>, Cow<'a, str>);

/// Returns the answers of a target: of a call its output, of a trace its final answer, of a conversation the final answers of its traces.
pub(super) fn answers<'a>(input: &EvaluationInput<'a>) -> Result<Vec<Cow<'a, str>>, NotApplicableReason> {
    let answers: Vec<Cow<str>> = answered(input)?.into_iter().map(|(_question, answer)| answer).collect();
    Ok(answers)
}

/// Returns the answers of a target, each with the question of the user that came before it, if it is known.
pub(super) fn answered<'a>(input: &EvaluationInput<'a>) -> Result<Vec<QuestionAndAnswer<'a>>, NotApplicableReason> {
    let answered: Vec<QuestionAndAnswer> = traces(input).iter().filter_map(|spans| question_and_answer(spans)).collect();
    if answered.is_empty() { Err(NotApplicableReason::NoAnswer) } else { Ok(answered) }
}

/// Returns the spans of each trace of a target, in order of time.
pub(super) fn traces<'a>(input: &EvaluationInput<'a>) -> Vec<Vec<&'a Span>> {
    match input {
        EvaluationInput::Span(span) => vec![vec![span]],
        EvaluationInput::Trace(spans) => vec![spans.to_vec()],
        EvaluationInput::Session(traces) => traces.to_vec(),
    }
}

/// Returns all spans of a target.
pub(super) fn spans<'a>(input: &EvaluationInput<'a>) -> Vec<&'a Span> {
    match input {
        EvaluationInput::Span(span) => vec![span],
        EvaluationInput::Trace(spans) => spans.to_vec(),
        EvaluationInput::Session(traces) => traces.iter().flatten().copied().collect(),
    }
}
