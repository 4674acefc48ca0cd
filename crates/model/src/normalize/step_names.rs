//! Models, agents and tools that only the name of a span contains, and models behind the alias of a gateway.

use serde_json::Value;

use super::attributes::{RecognizedAttributes, unquoted};
use super::{RawSpan, span_kind};
use crate::normalize::attribute_names::SpanField;
use crate::notations;
use crate::span::SpanType;

/// Attribute of LiteLLM with the model behind an alias, after the name of the provider.
const MODEL_BEHIND_ALIAS: &str = "litellm.provider.model";

/// Returns the model that a gateway called, if the requested model is an alias, and the response repeats the alias or names no model.
pub(super) fn model_behind_alias(found: &RecognizedAttributes) -> Option<String> {
    let (requested, answered) = (found.str(SpanField::RequestModel), found.str(SpanField::ResponseModel));
    requested.or(answered)?;
    let model = found.attributes.get(MODEL_BEHIND_ALIAS)?.as_str()?;
    let model = model.split_once('/').map_or(model, |(_, model)| model);
    let repeats = answered.is_none() || answered == requested;
    Some(model).filter(|model| repeats && !model.is_empty()).map(str::to_owned)
}

/// OpenInference names the model of a failed call only among its parameters.
pub(super) fn model_of_parameters(found: &RecognizedAttributes) -> Option<String> {
    let parameters = found.object(SpanField::Parameters)?;
    ["model", "model_name"].iter().find_map(|name| parameters.get(*name)?.as_str()).map(str::to_owned)
}

/// Attribute of Genkit that names the model of a call after its plugin, and a step of any other kind.
const NAME_OF_STEP: &str = "genkit:name";

/// Plugins of Genkit whose name is not that of the provider.
const PLUGINS: &[(&str, &str)] = &[("googleai", "google"), ("vertexai", "google"), ("compat-oai", "openai")];

/// Returns plugin and model of a call of Genkit.
fn of_genkit<'a>(kind: SpanType, found: &RecognizedAttributes<'a>) -> Option<(&'a str, &'a str)> {
    if !matches!(kind, SpanType::Llm | SpanType::Embedding) {
        return None;
    }
    let name = found.attributes.get(NAME_OF_STEP)?.as_str()?;
    Some(name.split_once('/').unwrap_or(("", name)))
}

/// Returns what LangChain says about a call among the metadata of the program.
fn of_langchain(name: &str, kind: SpanType, found: &RecognizedAttributes) -> Option<String> {
    let is_call = matches!(kind, SpanType::Llm | SpanType::Embedding);
    let metadata = found.str(SpanField::Metadata).filter(|text| is_call && text.contains(name))?;
    notations::object(metadata)?.get(name)?.as_str().map(str::to_owned)
}

/// Maximum number of things that Monocle lists for a step.
const MAX_ENTITIES: u8 = 9;

/// Returns what Monocle says about the first thing of a sort that takes part in a step: the model, the agent, the tool.
fn of_monocle<'a>(sort: &str, member: &str, found: &RecognizedAttributes<'a>) -> Option<&'a str> {
    let attribute = |number: u8, member: &str| found.attributes.get(&format!("entity.{number}.{member}"))?.as_str();
    found.attributes.get("entity.1.type")?;
    let number = (1..=MAX_ENTITIES).find(|number| attribute(*number, "type").is_some_and(|of| of.starts_with(sort)))?;
    attribute(number, member)
}

/// Returns the provider from the name of a span, from LangChain's metadata, or from Monocle's list.
pub(super) fn provider_of_name(kind: SpanType, found: &RecognizedAttributes) -> Option<String> {
    let Some((plugin, _)) = of_genkit(kind, found).filter(|(plugin, _)| !plugin.is_empty()) else {
        let of_call = || of_monocle("inference.", "provider_name", found).map(str::to_owned);
        return of_langchain("ls_provider", kind, found).or_else(of_call);
    };
    let known = PLUGINS.iter().find(|(name, _)| *name == plugin).map_or(plugin, |(_, provider)| *provider);
    Some(known.to_owned())
}

/// OpenLIT puts the model of a failed call only into the name of the span. Genkit puts every model into the name of the span, and LangChain
/// puts every model into its metadata.
pub(super) fn model_in_span_name(raw: &RawSpan, kind: SpanType, found: &RecognizedAttributes) -> Option<String> {
    if let Some((_, model)) = of_genkit(kind, found) {
        return Some(model.to_owned());
    }
    let listed = || of_monocle("model.", "name", found).map(str::to_owned);
    if let Some(model) = of_langchain("ls_model_name", kind, found).or_else(listed) {
        return Some(model);
    }
    let origin = raw.origin.as_deref().or_else(|| found.str(SpanField::Origin))?;
    let (_, model) = span_kind::of_name(origin, &raw.name).filter(|_| matches!(kind, SpanType::Llm | SpanType::Embedding))?;
    Some(model.to_owned())
}

/// Attributes whose presence means that the span of an agent is named after the agent.
const AGENT_NAME_ATTRIBUTES: &[&str] = &[
    "openinference.span.kind",
    "langfuse.observation.type",
    "traceloop.span.kind",
    "mlflow.spanType",
    "langsmith.span.kind",
    "lmnr.span.type",
    "agentops.span.kind",
];

/// Attributes that name an agent better than its span, and the attribute of the kind beside which they do; none for any.
const NAMES_OF_AGENTS: &[(Option<&str>, &str)] = &[(None, "traceloop.entity.name"), (Some("agentops.span.kind"), "operation.name")];

/// Attributes that name the tool of a tool's span, and a step of any other kind.
const NAMES_OF_TOOLS: &[&str] = &["traceloop.entity.name", "genkit:name"];

/// Returns the name of the tool, if the name of the span or an attribute contains it.
pub(super) fn tool_of_name(name: &str, found: &RecognizedAttributes) -> Option<String> {
    let by_attribute = || NAMES_OF_TOOLS.iter().find_map(|name| found.attributes.get(*name)?.as_str());
    let listed = || of_monocle("tool.", "name", found);
    let by_method = || name.split_once("tools/call ").map(|(_, tool)| tool);
    let tool = name.strip_prefix("execute_tool ").or_else(by_attribute).or_else(by_method).or_else(listed).map(unquoted);
    tool.filter(|tool| !tool.is_empty()).map(str::to_owned)
}

/// Returns the name of the agent, if the name of the span or an attribute contains it.
pub(super) fn agent_of_name(name: &str, found: &RecognizedAttributes) -> Option<String> {
    let by_convention = ["invoke_agent ", "create_agent "].iter().find_map(|verb| name.strip_prefix(verb));
    let entity = |kind: &str| {
        let mut fitting = NAMES_OF_AGENTS.iter().filter(|(beside, _)| beside.is_none_or(|beside| beside == kind));
        fitting.find_map(|(_, attribute)| found.attributes.get(*attribute).and_then(Value::as_str))
    };
    let kind = || found.name(SpanField::SpanKind).filter(|kind| AGENT_NAME_ATTRIBUTES.contains(kind));
    let whole = || kind().map(|kind| entity(kind).unwrap_or(name));
    let listed = || of_monocle("agent.", "name", found);
    by_convention.or_else(listed).or_else(whole).filter(|agent| !agent.is_empty()).map(str::to_owned)
}
