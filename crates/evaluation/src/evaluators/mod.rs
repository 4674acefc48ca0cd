//! Evaluators without a model: each looks at a call, a trace or a conversation and gives a number, a yes or no, or a category.
//!
//! An evaluator is a type with a configuration ([`CompiledEvaluator::compile`]). It reads no clock, file or network, and its time is bounded:
//! each type states how much of a text it reads. `docs/evaluators.md` describes the types.

mod bounds;
mod config;
mod input;
mod json;
mod language;
mod repetition;
pub mod sampling;
mod schema;
mod sources;
#[cfg(test)]
mod tests;
mod text_match;
mod tool_arguments;
mod words;

use std::fmt;

use hinomi_model::names;
use hinomi_model::span::Span;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use bounds::{CostBound, LatencyBound};
use config::ConfigFields;
pub use config::EvaluatorConfigError;
use json::JsonSchemaMatch;
use language::LanguageMatch;
use repetition::Repetition;
use sources::{SourceOverlap, SourcedNumbers};
use text_match::{ContainsMatch, EditDistance, ExactMatch, RegexMatch};
use tool_arguments::ToolArgumentsMatch;

/// Names of the types, in the order in which the page offers them.
#[rustfmt::skip]
pub const EVALUATOR_TYPES: [&str; 12] = [
    "json_schema", "exact", "contains", "regex", "edit_distance", "language", "repetition", "overlap", "numbers", "tool_arguments",
    "latency", "cost",
];

/// Maximum number of parts of texts in a result, and maximum number of bytes of each.
const MAX_EVIDENCE: usize = 20;
const MAX_EVIDENCE_BYTES: usize = 500;

/// What is evaluated.
#[derive(Debug, Clone, Copy)]
pub enum EvaluationInput<'a> {
    /// One call.
    Span(&'a Span),
    /// All spans of a trace.
    Trace(&'a [&'a Span]),
    /// The traces of a conversation, in order of time.
    Session(&'a [Vec<&'a Span>]),
}

/// Type of the values of an evaluator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluationValueType {
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// Name of a category.
    Category,
}

/// Value that an evaluator gives.
#[derive(Debug, Clone, PartialEq)]
pub enum EvaluationValue {
    /// A finite number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// Name of a category.
    Category(String),
}

/// Result of an evaluator.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationResult {
    /// The value.
    pub value: EvaluationValue,
    /// One or two English sentences: what was compared, and what decided.
    pub explanation: String,
    /// Parts of texts that decided, such as sentences without a source; at most 20, each at most 500 bytes long.
    pub evidence: Vec<String>,
    /// True if only a part of a text was evaluated because of a limit. The explanation names the part.
    pub is_partial: bool,
}

impl EvaluationResult {
    fn new(value: EvaluationValue, explanation: impl Into<String>) -> EvaluationResult {
        EvaluationResult { value, explanation: explanation.into(), evidence: Vec::new(), is_partial: false }
    }

    fn boolean(value: bool, explanation: impl Into<String>) -> EvaluationResult {
        EvaluationResult::new(EvaluationValue::Boolean(value), explanation)
    }

    fn number(value: f64, explanation: impl Into<String>) -> EvaluationResult {
        EvaluationResult::new(EvaluationValue::Number(value), explanation)
    }
}

/// Returns the first texts as evidence, with the stated limits.
fn evidence<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let cut = |text: &str| text[..text.floor_char_boundary(MAX_EVIDENCE_BYTES.min(text.len()))].to_owned();
    texts.into_iter().take(MAX_EVIDENCE).map(cut).collect()
}

names!(
    /// Reason why an evaluator does not apply to a target.
    NotApplicableReason {
        /// The target has no answer, or its client does not send answers.
        NoAnswer = "no_answer",
        /// The target has no input, or its client does not send inputs.
        NoInput = "no_input",
        /// The target has no retrieved documents.
        NoSources = "no_sources",
        /// The model requested no tool.
        NoToolCalls = "no_tool_calls",
        /// The definitions of the tools are unknown.
        NoToolDefinitions = "no_tool_definitions",
        /// The language of a text cannot be told.
        UnknownLanguage = "unknown_language",
        /// A text is too short.
        TextTooShort = "text_too_short",
        /// The client or the ingestion cut the text.
        TextCut = "text_cut",
        /// The text is too long, or its check takes too many steps.
        TooLarge = "too_large",
        /// No report tells the duration.
        NoDuration = "no_duration",
        /// The cost of a call is unknown.
        NoCost = "no_cost",
    }
);

/// Outcome of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluation {
    /// The evaluator gave a result.
    Scored(EvaluationResult),
    /// The evaluator does not apply.
    NotApplicable(NotApplicableReason),
}

/// A type of evaluator with its configuration.
trait EvaluatorMethod: fmt::Debug + Send + Sync {
    fn value_type(&self) -> EvaluationValueType;

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason>;
}

/// A configured evaluator that is ready to evaluate.
#[derive(Debug)]
pub struct CompiledEvaluator(Box<dyn EvaluatorMethod>);

impl CompiledEvaluator {
    /// Checks a configuration, and prepares the evaluator.
    ///
    /// # Errors
    ///
    /// Returns an error if the type is unknown, or a field is missing, unknown or not valid. It names the field.
    pub fn compile(evaluator_type: &str, config: &Value) -> Result<CompiledEvaluator, EvaluatorConfigError> {
        let mut fields = ConfigFields::new(config)?;
        let method: Box<dyn EvaluatorMethod> = match evaluator_type {
            "exact" => Box::new(ExactMatch::new(&mut fields)?),
            "contains" => Box::new(ContainsMatch::new(&mut fields)?),
            "regex" => Box::new(RegexMatch::new(&mut fields)?),
            "edit_distance" => Box::new(EditDistance::new(&mut fields)?),
            "json_schema" => Box::new(JsonSchemaMatch::new(&mut fields)?),
            "language" => Box::new(LanguageMatch::new(&mut fields)?),
            "repetition" => Box::new(Repetition::new(&mut fields)?),
            "overlap" => Box::new(SourceOverlap::new(&mut fields)?),
            "numbers" => Box::new(SourcedNumbers),
            "tool_arguments" => Box::new(ToolArgumentsMatch),
            "latency" => Box::new(LatencyBound::new(&mut fields)?),
            "cost" => Box::new(CostBound::new(&mut fields)?),
            other => return Err(EvaluatorConfigError::UnknownType { evaluator_type: other.to_owned() }),
        };
        fields.check_all_used()?;
        Ok(CompiledEvaluator(method))
    }

    /// Returns the type of the values.
    pub fn value_type(&self) -> EvaluationValueType {
        self.0.value_type()
    }

    /// Evaluates a target.
    pub fn evaluate(&self, input: &EvaluationInput) -> Evaluation {
        match self.0.evaluate(input) {
            Ok(result) => Evaluation::Scored(result),
            Err(reason) => Evaluation::NotApplicable(reason),
        }
    }
}
