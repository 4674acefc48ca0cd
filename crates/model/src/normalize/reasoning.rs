//! Reasoning tokens of Gemini that only the total contains.
//!
//! Google counts reasoning separately from the tokens of the response, and bills both as output. OpenLLMetry and others pass on the prompt,
//! the response and the total, so the rest of the total is reasoning. This is true only for Gemini's models: the only other tokens in their
//! total are those that Google's own tools add to the prompt. If such tools may have run, nothing can be inferred.

use serde_json::Value;

use super::attributes::RecognizedAttributes;
use crate::normalize::attribute_names::SpanField;
use crate::span::{SpanType, Usage};

/// Prefixes of the names of Gemini models without reasoning, except for those whose name says otherwise.
const MODELS_WITHOUT_REASONING: &[&str] = &[
    "gemini-1",
    "gemini-2.0",
    "gemini-pro-vision",
    "gemini-embedding",
    "gemini-2.5-flash-image",
    "gemini-2.5-flash-preview-tts",
    "gemini-2.5-pro-preview-tts",
];

/// Tools that Google runs itself, as requests and responses spell them.
const PROVIDER_TOOLS: &[&str] = &[
    "code_execution",
    "codeExecution",
    "executable_code",
    "executableCode",
    "url_context",
    "urlContext",
    "google_search",
    "googleSearch",
    "google_maps",
    "googleMaps",
    "file_search",
    "fileSearch",
    "computer_use",
    "computerUse",
];

/// Returns the number of reasoning tokens if only the total contains them. `usage` is the usage without them.
pub(super) fn reasoning_in_total(usage: &Usage, kind: SpanType, found: &RecognizedAttributes) -> Option<u64> {
    if kind != SpanType::Llm || usage.reasoning.is_some() {
        return None;
    }
    let told = usage.input_tokens()?.checked_add(usage.output_tokens()?)?;
    let rest = usage.total?.checked_sub(told).filter(|rest| *rest > 0)?;
    let model = found.text(SpanField::ResponseModel).or_else(|| found.text(SpanField::RequestModel))?;
    (has_reasoning(&model) && !may_have_used_provider_tools(found)).then_some(rest)
}

fn has_reasoning(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("gemini-") && (name.contains("-thinking") || !MODELS_WITHOUT_REASONING.iter().any(|start| name.starts_with(start)))
}

/// Returns true unless input messages were sent without any such tool: a client that omits messages may have omitted tools too.
fn may_have_used_provider_tools(found: &RecognizedAttributes) -> bool {
    let names = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        PROVIDER_TOOLS.iter().any(|tool| text.contains(tool))
    };
    !found.has(SpanField::Input)
        || [SpanField::ToolDefinitions, SpanField::Output].into_iter().filter_map(|field| found.value(field)).any(names)
}
