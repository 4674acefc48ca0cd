//! `tool_arguments`: the arguments of requested tool calls.

use std::collections::HashMap;

use hinomi_model::finding::{ArgumentFault, FindingExplanation};
use hinomi_model::span::{Attributes, Span};
use serde_json::Value;

use super::schema::BoundedSchema;
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason, evidence};
use crate::signals::{ToolRequest, are_as_the_model_wrote, fault_of_schema, tool_requests, tools_that_rejected_arguments};

/// Maximum number of requests that are checked, and of different schemas that are compiled. Later ones are checked by the rules of signals.
const MAX_REQUESTS: usize = 5_000;
const MAX_SCHEMAS: usize = 200;

/// The arguments of all requested tool calls are valid against the definitions of the tools.
#[derive(Debug)]
pub(super) struct ToolArgumentsMatch;

/// Compiled schemas by their text; `None` for those that the compiler does not know, such as Google's.
type CompiledSchemas = HashMap<String, Option<BoundedSchema>>;

/// What a check found.
#[derive(Default)]
struct ArgumentCheck {
    requests: usize,
    /// Number of requests that were compared with a definition.
    compared: usize,
    faults: Vec<String>,
}

fn described(tool: &str, fault: ArgumentFault) -> String {
    FindingExplanation::BadArguments { tool: tool.to_owned(), fault, corrected: false }.to_string()
}

/// Removes arguments that are null and not required. Clients and models send null for an argument that is left out.
fn remove_omitted(arguments: &mut Attributes, schema: &Value) {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|required| required.iter().any(|other| other == name));
    arguments.retain(|name, value| !value.is_null() || is_required(name));
}

/// Returns the fault of arguments against the schema of the tool.
fn fault_by_schema(request: &ToolRequest, mut arguments: Value, schema: &Value, compiled: &mut CompiledSchemas) -> Option<String> {
    if !arguments.is_object() {
        let fault = ArgumentFault::WrongType { argument: String::new(), expected: "object".to_owned() };
        return Some(described(request.tool, fault));
    }
    if let Some(fault) = fault_of_schema(request.arguments, schema) {
        return Some(described(request.tool, fault));
    }
    let key = schema.to_string();
    if compiled.len() >= MAX_SCHEMAS && !compiled.contains_key(&key) {
        return None;
    }
    let compiled = compiled.entry(key).or_insert_with(|| BoundedSchema::compile(schema).ok()).as_ref()?;
    remove_omitted(arguments.as_object_mut()?, schema);
    let error = compiled.errors(&arguments).ok()?.into_iter().next()?;
    Some(format!("The model called the tool {:?} with invalid arguments. {error}", request.tool))
}

impl ArgumentCheck {
    fn add_request(&mut self, request: &ToolRequest, compiled: &mut CompiledSchemas) {
        self.requests += 1;
        let text = request.arguments.trim();
        if self.requests > MAX_REQUESTS || !are_as_the_model_wrote(text) {
            return;
        }
        let parsed = if text.is_empty() { Ok(Value::Object(Attributes::new())) } else { serde_json::from_str::<Value>(text) };
        // A tool without a schema may take plain text.
        let takes_json = request.schema.is_some() || text.starts_with('{');
        let fault = match (parsed, &request.schema) {
            (Err(_), _) => takes_json.then(|| described(request.tool, ArgumentFault::InvalidJson)),
            (Ok(arguments), Some(schema)) => fault_by_schema(request, arguments, schema, compiled),
            (Ok(_), None) => None,
        };
        self.compared += usize::from(request.is_offered);
        self.faults.extend(fault);
    }

    fn add_trace(&mut self, spans: &[&Span], compiled: &mut CompiledSchemas) {
        let requests = tool_requests(spans);
        let mut failed: Vec<&str> = Vec::new();
        for request in &requests {
            let faults = self.faults.len();
            self.add_request(request, compiled);
            if self.faults.len() > faults {
                failed.push(request.tool);
            }
        }
        for tool in tools_that_rejected_arguments(spans) {
            if !failed.contains(&tool) {
                failed.push(tool);
                self.faults.push(described(tool, ArgumentFault::Rejected));
            }
        }
    }
}

impl EvaluatorMethod for ToolArgumentsMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let (mut check, mut compiled) = (ArgumentCheck::default(), CompiledSchemas::new());
        match input {
            EvaluationInput::Span(span) => check.add_trace(&[span], &mut compiled),
            EvaluationInput::Trace(spans) => check.add_trace(spans, &mut compiled),
            EvaluationInput::Session(traces) => traces.iter().for_each(|spans| check.add_trace(spans, &mut compiled)),
        }
        let ArgumentCheck { requests, compared, faults } = check;
        if requests == 0 {
            return Err(NotApplicableReason::NoToolCalls);
        }
        if faults.is_empty() && compared == 0 {
            return Err(NotApplicableReason::NoToolDefinitions);
        }
        let is_partial = requests > MAX_REQUESTS;
        let mut explanation = match faults.len() {
            0 => format!("The arguments of {compared} of {requests} requested tool calls were compared with definitions, and are valid."),
            n => format!("The arguments of {n} of {requests} requested tool calls are not valid."),
        };
        if is_partial {
            explanation.push_str(" Only the first 5,000 requests were checked.");
        }
        let is_valid = faults.is_empty();
        let evidence = evidence(faults.iter().map(String::as_str));
        Ok(EvaluationResult { evidence, is_partial, ..EvaluationResult::boolean(is_valid, explanation) })
    }
}
