//! What Gemini thought, where only the total holds it.
//!
//! Google counts thoughts beside the tokens of the answer, and bills both as output. OpenLLMetry and others pass on the prompt, the answer and the
//! total, so that what was thought is the rest of the total. The rest means that for Gemini's models alone, which have no other tokens
//! beside input and output than what Google's own tools put into the prompt; where such tools may have run, nothing can be concluded.

use serde_json::Value;

use super::attributes::RecognizedAttributes;
use crate::normalize::attribute_names::SpanField;
use crate::span::{SpanType, Usage};

/// Gemini's models that do not think, by the beginning of their names, but for those whose name says that they do.
const THOUGHTLESS: &[&str] = &[
    "gemini-1",
    "gemini-2.0",
    "gemini-pro-vision",
    "gemini-embedding",
    "gemini-2.5-flash-image",
    "gemini-2.5-flash-preview-tts",
    "gemini-2.5-pro-preview-tts",
];

/// Tools that Google runs itself, as requests and answers spell them.
const OWN_TOOLS: &[&str] = &[
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

/// How much was thought, where only the total holds it. `usage` is what the counts say without it.
pub(super) fn in_total(usage: &Usage, kind: SpanType, found: &RecognizedAttributes) -> Option<u64> {
    if kind != SpanType::Llm || usage.reasoning.is_some() {
        return None;
    }
    let told = usage.input_tokens()?.checked_add(usage.output_tokens()?)?;
    let rest = usage.total?.checked_sub(told).filter(|rest| *rest > 0)?;
    let model = found.text(SpanField::ResponseModel).or_else(|| found.text(SpanField::RequestModel))?;
    (thinks(&model) && !own_tools_may_have_run(found)).then_some(rest)
}

fn thinks(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    name.starts_with("gemini-") && (name.contains("-thinking") || !THOUGHTLESS.iter().any(|start| name.starts_with(start)))
}

/// Whoever tells the prompt tells the tools beside it; whoever leaves texts out may have left tools out.
fn own_tools_may_have_run(found: &RecognizedAttributes) -> bool {
    let names = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        OWN_TOOLS.iter().any(|tool| text.contains(tool))
    };
    !found.has(SpanField::Input)
        || [SpanField::ToolDefinitions, SpanField::Output].into_iter().filter_map(|field| found.value(field)).any(names)
}
