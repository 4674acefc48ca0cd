//! `unknown_tool` and `bad_tool_arguments`: requests of the model for tools.

use hinomi_model::span::{MessagePart, Span};
use serde_json::Value;

use super::Set;
use super::arguments::{fault_of_json, fault_of_schema};
use super::finding::{ArgumentFault, FindingExplanation, FindingSeverity, SignalFinding};
use super::handoffs::is_handoff_tool;
use super::phrases::INVALID_ARGUMENTS;
use super::run::AnalyzedRun;
use super::text::{contains_any, prefix};

/// Maximum number of definitions that are read of one request.
const MAX_DEFINITIONS: usize = 2_000;
/// Tools that providers and frameworks add themselves, without separators.
#[rustfmt::skip]
const BUILT_IN_TOOLS: &[&str] = &[
    "websearch", "filesearch", "codeinterpreter", "computer", "computeruse", "bash", "texteditor", "strreplacebasededittool",
    "strreplaceeditor", "imagegeneration", "googlesearch", "codeexecution", "webfetch", "localshell", "applypatch", "finalresult",
    "finalanswer", "jsontoolcall", "structuredoutput", "multitoolusparallel", "multitooluseparallel", "toolsearch",
];
/// Members in which definitions have their name, and members that hold the definition.
const INNER_DEFINITIONS: &[&str] = &["function", "toolSpec", "tool_spec", "custom"];

/// A tool that a request offers.
pub(super) struct OfferedTool<'a> {
    name: String,
    definition: std::borrow::Cow<'a, Value>,
}

/// Returns the tools that a request offers; `None` if they are unknown or cannot be read completely.
fn offered(definitions: &Value) -> Option<Vec<OfferedTool<'_>>> {
    let mut tools = Vec::new();
    match definitions {
        Value::Array(items) if items.len() <= MAX_DEFINITIONS => {
            for item in items {
                add_tools(item, &mut tools)?;
            }
        }
        Value::Object(members) if members.contains_key("functionDeclarations") || members.contains_key("name") => {
            add_tools(definitions, &mut tools)?
        }
        Value::Object(members) if members.values().all(Value::is_object) => {
            tools.extend(
                members.iter().map(|(name, value)| OfferedTool { name: name.clone(), definition: std::borrow::Cow::Borrowed(value) }),
            );
        }
        _ => return None,
    }
    (!tools.is_empty()).then_some(tools)
}

/// Adds the tools of one definition. Returns `None` if its name is unknown.
fn add_tools<'a>(item: &'a Value, tools: &mut Vec<OfferedTool<'a>>) -> Option<()> {
    use std::borrow::Cow::{Borrowed, Owned};
    let text = item.as_str().or_else(|| item.get("tool")?.get("json_schema")?.as_str());
    if let Some(text) = text {
        let Ok(parsed) = serde_json::from_str::<Value>(text) else {
            let is_name = !text.is_empty() && text.len() <= 128 && !text.contains([' ', '{', '<', '(']);
            tools.push(OfferedTool { name: is_name.then(|| text.to_owned())?, definition: Borrowed(&Value::Null) });
            return Some(());
        };
        let name = name_of(&parsed)?.to_owned();
        tools.push(OfferedTool { name, definition: Owned(parsed) });
        return Some(());
    }
    let declarations = ["functionDeclarations", "function_declarations"].iter().find_map(|name| item.get(*name)?.as_array());
    if let Some(declarations) = declarations {
        for declaration in declarations {
            tools.push(OfferedTool { name: name_of(declaration)?.to_owned(), definition: Borrowed(declaration) });
        }
        return Some(());
    }
    tools.push(OfferedTool { name: name_of(item)?.to_owned(), definition: Borrowed(item) });
    Some(())
}

fn inner(definition: &Value) -> &Value {
    INNER_DEFINITIONS.iter().find_map(|name| definition.get(*name).filter(|inner| inner.is_object())).unwrap_or(definition)
}

fn name_of(definition: &Value) -> Option<&str> {
    inner(definition).get("name").and_then(Value::as_str).filter(|name| !name.is_empty())
}

/// Returns the schema of the arguments of a definition.
fn schema_of(definition: &Value) -> Option<Value> {
    let definition = inner(definition);
    let schema = ["parameters", "input_schema", "inputSchema", "parametersJsonSchema", "args_schema"]
        .iter()
        .find_map(|name| definition.get(*name))?;
    let schema = schema.get("json").or_else(|| schema.get("jsonSchema")).filter(|inner| inner.is_object()).unwrap_or(schema);
    match schema {
        Value::Object(_) => Some(schema.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Returns a name without case and separators.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Returns the last part of a name that has the name of a server or a namespace in front.
fn local_name(name: &str) -> &str {
    let after = |separator: &str| name.rsplit_once(separator).map(|(_, local)| local);
    after("__").or_else(|| after(".")).or_else(|| after(":")).or_else(|| after("/")).filter(|local| !local.is_empty()).unwrap_or(name)
}

/// Returns true if two names are spellings of one tool: case, separators and namespaces aside.
fn are_same_tool(called: &str, offered: &str) -> bool {
    called == offered || plain(called) == plain(offered) || plain(local_name(called)) == plain(local_name(offered))
}

/// A tool call that a model requested.
pub(crate) struct ToolRequest<'a> {
    /// Name of the tool as requested.
    pub(crate) tool: &'a str,
    /// Arguments as sent.
    pub(crate) arguments: &'a str,
    /// True if the request offers the tool.
    pub(crate) is_offered: bool,
    /// Schema of the arguments, if the tool is offered with one.
    pub(crate) schema: Option<Value>,
}

/// Returns the tool calls that the models of a trace requested.
pub(crate) fn tool_requests<'a>(spans: &[&'a Span]) -> Vec<ToolRequest<'a>> {
    let mut requests = Vec::new();
    for call in AnalyzedRun::of(spans).calls {
        let mut tools = None;
        for part in call.output_messages.iter().flat_map(|message| &message.parts) {
            let MessagePart::ToolCall { name, arguments, .. } = part else { continue };
            let tools = tools.get_or_insert_with(|| call.tool_definitions.as_ref().and_then(offered).unwrap_or_default());
            let tool = tools.iter().find(|tool| are_same_tool(name, &tool.name));
            let schema = tool.and_then(|tool| schema_of(&tool.definition));
            requests.push(ToolRequest { tool: name, arguments, is_offered: tool.is_some(), schema });
        }
    }
    requests
}

/// Returns the names of the tools of a trace that rejected their arguments.
pub(crate) fn tools_that_rejected_arguments<'a>(spans: &[&'a Span]) -> Vec<&'a str> {
    let run = AnalyzedRun::of(spans);
    let is_rejected = |failure: &str| contains_any(prefix(failure, 600), INVALID_ARGUMENTS);
    run.tools.iter().filter(|call| call.failure.is_some_and(is_rejected)).map(|call| call.name).collect()
}

/// Finds requests for unknown tools and bad arguments.
pub(super) fn find<'a>(run: &AnalyzedRun<'a>, findings: &mut Vec<SignalFinding>) {
    let mut found: Set<(&str, &'static str)> = Set::default();
    let mut last: Option<(&Value, Option<Vec<OfferedTool>>)> = None;
    for call in &run.calls {
        let call: &'a Span = call;
        let requests = call.output_messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            MessagePart::ToolCall { name, arguments, .. } => Some((name.as_str(), arguments.as_str())),
            _ => None,
        });
        for (name, arguments) in requests {
            let definitions = call.tool_definitions.as_ref();
            if let Some(definitions) = definitions
                && last.as_ref().is_none_or(|(known, _)| !std::ptr::eq(*known, definitions))
            {
                last = Some((definitions, offered(definitions)));
            }
            let tools = definitions.and_then(|_| last.as_ref()?.1.as_deref());
            let tool = tools.and_then(|tools| tools.iter().find(|tool| are_same_tool(name, &tool.name)));
            if let (Some(tools), None) = (tools, tool)
                && is_unknown(run, name)
                && found.insert((name, "unknown"))
            {
                let explanation = FindingExplanation::NotOffered { tool: name.to_owned(), offered: tools.len() as u64 };
                findings.push(SignalFinding::new(FindingSeverity::Warning, 0.9, vec![call.span_id], explanation).with_evidence(name));
            }
            let fault = fault_of_json(arguments, tool.is_some()).or_else(|| {
                let schema = schema_of(&tool?.definition)?;
                fault_of_schema(arguments, &schema)
            });
            if let Some(fault) = fault
                && found.insert((name, "arguments"))
            {
                add_bad_arguments(run, call, name, arguments, fault, findings);
            }
        }
    }
    rejected(run, &mut found, findings);
}

/// Returns true unless the tool is one that is never listed, or was carried out.
fn is_unknown(run: &AnalyzedRun, name: &str) -> bool {
    let is_listed_nowhere = is_handoff_tool(name) || BUILT_IN_TOOLS.contains(&plain(name).as_str()) || name.is_empty();
    let was_carried_out = || run.tools.iter().any(|call| call.name == name && call.has_span && !call.has_failed() && call.result.is_some());
    !is_listed_nowhere && !was_carried_out()
}

fn add_bad_arguments(run: &AnalyzedRun, call: &Span, name: &str, arguments: &str, fault: ArgumentFault, findings: &mut Vec<SignalFinding>) {
    let mut later = run.tools.iter().filter(|tool| tool.name == name && tool.start_us >= call.end_us);
    let corrected = later.any(|tool| !tool.has_failed() && tool.result.is_some() && tool.arguments != Some(arguments));
    let severity = if corrected { FindingSeverity::Info } else { FindingSeverity::Warning };
    let explanation = FindingExplanation::BadArguments { tool: name.to_owned(), fault, corrected };
    findings.push(SignalFinding::new(severity, 0.9, vec![call.span_id], explanation).with_evidence(arguments));
}

/// Finds calls that the tool rejected because of its arguments.
fn rejected<'a>(run: &AnalyzedRun<'a>, found: &mut Set<(&'a str, &'static str)>, findings: &mut Vec<SignalFinding>) {
    for (at, call) in run.tools.iter().enumerate() {
        let Some(failure) = call.failure.filter(|failure| contains_any(prefix(failure, 600), INVALID_ARGUMENTS)) else { continue };
        if !found.insert((call.name, "arguments")) {
            continue;
        }
        let corrected = run.tools[at + 1..].iter().any(|later| later.name == call.name && !later.has_failed());
        let severity = if corrected { FindingSeverity::Info } else { FindingSeverity::Warning };
        let explanation = FindingExplanation::BadArguments { tool: call.name.to_owned(), fault: ArgumentFault::Rejected, corrected };
        findings.push(SignalFinding::new(severity, 0.85, vec![call.span_id], explanation).with_evidence(failure));
    }
}
