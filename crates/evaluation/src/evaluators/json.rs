//! `json_schema` and `tool_arguments`: JSON that the model wrote.

use hinomi_model::finding::FindingKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::answers;
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason, evidence};
use crate::signals::{is_cut, tool_requests};

/// Largest schema in bytes of its JSON text, and largest compiled pattern of a schema in bytes.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Longest answer that is parsed, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Maximum number of errors in the evidence.
const MAX_ERRORS: usize = 5;

/// The answer is JSON, and valid against a schema.
#[derive(Debug)]
pub(super) struct JsonSchemaMatch {
    validator: Option<Validator>,
}

impl JsonSchemaMatch {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<JsonSchemaMatch, EvaluatorConfigError> {
        let Some(schema) = fields.value("schema") else { return Ok(JsonSchemaMatch { validator: None }) };
        if !schema.is_object() {
            return Err(invalid("schema", "use a JSON Schema, which is an object"));
        }
        if schema.to_string().len() > MAX_SCHEMA_BYTES {
            return Err(invalid("schema", format!("use at most {MAX_SCHEMA_BYTES} bytes")));
        }
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES);
        let built = jsonschema::options().with_pattern_options(patterns).build(schema);
        let validator = built.map_err(|error| invalid("schema", format!("the schema is not valid: {error}")))?;
        Ok(JsonSchemaMatch { validator: Some(validator) })
    }
}

/// Returns the content of an answer that is one fenced block, otherwise the answer.
fn unfenced(answer: &str) -> &str {
    let answer = answer.trim();
    let inner = answer.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")).filter(|inner| !inner.contains("```"));
    inner.and_then(|inner| inner.split_once('\n')).map_or(answer, |(_language, content)| content.trim())
}

impl JsonSchemaMatch {
    /// Returns the errors of an answer; none if it is valid.
    fn errors(&self, answer: &str) -> Vec<String> {
        let value: Value = match serde_json::from_str(unfenced(answer)) {
            Ok(value) => value,
            Err(error) => return vec![format!("no valid JSON: {error}")],
        };
        let Some(validator) = &self.validator else { return Vec::new() };
        let error = |error: jsonschema::ValidationError| {
            let path = error.instance_path().to_string();
            format!("{}: {error}", if path.is_empty() { "/" } else { &path })
        };
        validator.iter_errors(&value).take(MAX_ERRORS).map(error).collect()
    }
}

impl EvaluatorMethod for JsonSchemaMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let answers = answers(input)?;
        if answers.iter().any(|answer| is_cut(answer) || answer.len() > MAX_ANSWER_BYTES) {
            return Err(NotApplicableReason::TextCut);
        }
        let errors = answers.iter().map(|answer| self.errors(answer)).find(|errors| !errors.is_empty());
        let what = if self.validator.is_some() { "valid against the schema" } else { "valid JSON" };
        Ok(match errors {
            None => EvaluationResult::boolean(true, format!("The answer is {what}.")),
            Some(errors) => EvaluationResult {
                evidence: evidence(errors.iter().map(String::as_str)),
                ..EvaluationResult::boolean(false, format!("The answer is not {what}."))
            },
        })
    }
}

/// The arguments of all requested tool calls are valid against the definitions of the tools.
#[derive(Debug)]
pub(super) struct ToolArgumentsMatch;

impl EvaluatorMethod for ToolArgumentsMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let checked = match input {
            EvaluationInput::Span(span) => vec![tool_requests(&[span])],
            EvaluationInput::Trace(spans) => vec![tool_requests(spans)],
            EvaluationInput::Session(traces) => traces.iter().map(|spans| tool_requests(spans)).collect(),
        };
        let requests: usize = checked.iter().map(|trace| trace.requests).sum();
        let defined: usize = checked.iter().map(|trace| trace.with_definitions).sum();
        let of_kind = |kind: FindingKind| checked.iter().flat_map(|trace| &trace.findings).filter(move |found| found.kind == kind);
        let faults: Vec<_> = of_kind(FindingKind::BadToolArguments).collect();
        if requests == 0 {
            return Err(NotApplicableReason::NoToolCalls);
        }
        if faults.is_empty() && defined == 0 {
            return Err(NotApplicableReason::NoToolDefinitions);
        }
        let texts: Vec<String> = faults.iter().map(|fault| fault.explanation.to_string()).collect();
        Ok(match faults.len() {
            0 => EvaluationResult::boolean(true, format!("The arguments of {defined} requested tool calls are valid.")),
            n => EvaluationResult {
                evidence: evidence(texts.iter().map(String::as_str)),
                ..EvaluationResult::boolean(false, format!("The arguments of {n} tools are not valid."))
            },
        })
    }
}
