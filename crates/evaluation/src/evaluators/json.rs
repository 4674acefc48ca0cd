//! `json_schema`: answers in JSON.

use serde_json::Value;

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::answers;
use super::schema::{BoundedSchema, TooManySteps};
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason, evidence};
use crate::signals::is_cut;

/// Longest answer that is parsed, in bytes.
const MAX_ANSWER_BYTES: usize = 2 << 20;

/// The answer is JSON, and valid against a schema.
#[derive(Debug)]
pub(super) struct JsonSchemaMatch {
    schema: Option<BoundedSchema>,
}

impl JsonSchemaMatch {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<JsonSchemaMatch, EvaluatorConfigError> {
        let Some(schema) = fields.value("schema") else { return Ok(JsonSchemaMatch { schema: None }) };
        if !schema.is_object() {
            return Err(invalid("schema", "use a JSON Schema, which is an object"));
        }
        let schema = BoundedSchema::compile(schema).map_err(|reason| invalid("schema", reason))?;
        Ok(JsonSchemaMatch { schema: Some(schema) })
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
    fn errors(&self, answer: &str) -> Result<Vec<String>, NotApplicableReason> {
        let text = unfenced(answer);
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(NotApplicableReason::TooLarge);
        }
        // Prose may end with dots; it is not JSON that was cut.
        if is_cut(answer) && text.starts_with(['{', '[', '"', '`']) {
            return Err(NotApplicableReason::TextCut);
        }
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return Ok(vec![format!("not valid JSON: {error}")]),
        };
        let Some(schema) = &self.schema else { return Ok(Vec::new()) };
        schema.errors(&value).map_err(|TooManySteps| NotApplicableReason::TooLarge)
    }
}

impl EvaluatorMethod for JsonSchemaMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let answers = answers(input)?;
        let checked = answers.iter().map(|answer| self.errors(answer)).collect::<Result<Vec<_>, _>>()?;
        let errors = checked.into_iter().find(|errors| !errors.is_empty());
        let what = if self.schema.is_some() { "valid against the schema" } else { "valid JSON" };
        Ok(match errors {
            None => EvaluationResult::boolean(true, format!("The answer is {what}.")),
            Some(errors) => EvaluationResult {
                evidence: evidence(errors.iter().map(String::as_str)),
                ..EvaluationResult::boolean(false, format!("The answer is not {what}."))
            },
        })
    }
}
