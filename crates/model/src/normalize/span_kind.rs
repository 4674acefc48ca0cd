//! Determines the kind of a span from its op and operation, otherwise from its other attributes.

mod known_kinds;
#[cfg(test)]
mod tests;

use crate::dedup::duplicate_reports::SERVER_OP;
use crate::span::{Attributes, Span, SpanType};
use known_kinds::{
    KINDS_BY_CLASS, KINDS_BY_NAME, KINDS_BY_OP, KINDS_BY_OP_PREFIX, KINDS_BY_OPERATION, KINDS_BY_SPAN_KIND, KINDS_BY_VERCEL_FUNCTION,
    MARKERS, MEMORY_OPERATIONS, MODEL_KINDS, NEUTRAL_KINDS, NON_CALL_SUFFIXES, OTHER_MODEL_OPERATIONS, VERCEL_MEDIA,
};

/// Properties of a span from which its kind is determined.
#[derive(Debug, Clone, Copy, Default)]
pub struct KindInferenceInputs<'a> {
    /// Sentry's op; empty if there is none.
    pub op: &'a str,
    /// `gen_ai.operation.name` or its equivalent.
    pub operation: Option<&'a str>,
    /// Kind as the client names it: `LLM`, `generation`, `workflow`.
    pub span_kind: Option<&'a str>,
    /// Vercel's function, such as `ai.generateText.doGenerate`.
    pub vercel: Option<&'a str>,
    /// `mcp.method.name`.
    pub mcp_method: Option<&'a str>,
    /// True if the span names a tool, or the ID of a tool call.
    pub has_tool: bool,
    /// True if the span has the query or documents of a retrieval.
    pub has_retrieval: bool,
    /// True if the span has messages to or from a model.
    pub has_messages: bool,
    /// True if the span names a model.
    pub has_model: bool,
    /// Name of the model; empty if there is none.
    pub model: &'a str,
    /// True if the span reports tokens of its input or output.
    pub has_usage: bool,
    /// True if the span names an agent.
    pub has_agent: bool,
    /// True if the attribute of `span_kind` describes steps of programs that use models. A span with an unknown kind is then not a call.
    pub has_foreign_kind: bool,
    /// Kind that the presence of an attribute implies.
    pub marked: Option<SpanType>,
    /// True if the span has texts to embed.
    pub has_embedding_input: bool,
    /// True if the span is an HTTP request.
    pub has_http: bool,
    /// True if the span is a database query.
    pub has_db: bool,
    /// Instrumentation that created the span.
    pub origin: &'a str,
    /// Name of the span as sent.
    pub name: &'a str,
}

fn find(table: &[(&str, SpanType)], name: &str) -> Option<SpanType> {
    table.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// Returns the kind that an op alone implies.
pub fn of_op(op: &str) -> Option<SpanType> {
    let by_prefix = || KINDS_BY_OP_PREFIX.iter().find(|(prefix, _)| op.starts_with(prefix)).map(|(_, kind)| *kind);
    find(KINDS_BY_OP, op).or_else(by_prefix)
}

/// Returns the operation of a kind of span, for clients that send neither operation nor op.
pub fn operation_of_kind(kind: SpanType) -> Option<&'static str> {
    match kind {
        SpanType::Llm => Some("chat"),
        SpanType::Embedding => Some("embeddings"),
        SpanType::Agent => Some("invoke_agent"),
        SpanType::Tool => Some("execute_tool"),
        SpanType::Retriever => Some("retrieval"),
        SpanType::Reranker => Some("rerank"),
        _ => None,
    }
}

/// Returns the operation that an op implies, named as in the conventions, for clients that send no operation.
pub fn operation_of_op(op: &str) -> Option<&str> {
    if let Some(operation) = op.strip_prefix("gen_ai.").filter(|operation| !operation.is_empty()) {
        return Some(operation);
    }
    match of_op(op) {
        Some(SpanType::Embedding) => Some("embeddings"),
        Some(SpanType::Tool) => Some("execute_tool"),
        Some(SpanType::Agent) => Some("invoke_agent"),
        Some(SpanType::Llm) => Some("chat"),
        _ => None,
    }
}

fn of_vercel(function: &str) -> Option<SpanType> {
    // `operation.name` is a generic attribute: only Vercel's values have this prefix. A function ID may follow after a space.
    let function = function.split(' ').next().filter(|f| f.starts_with("ai."))?;
    if function == "ai.toolCall" {
        return Some(SpanType::Tool);
    }
    if VERCEL_MEDIA.iter().any(|media| function.starts_with(media)) {
        return Some(SpanType::Other);
    }
    let call = KINDS_BY_VERCEL_FUNCTION.iter().find(|(suffix, _)| function.ends_with(suffix)).map(|(_, kind)| *kind);
    let outer =
        || matches!(function, "ai.generateText" | "ai.streamText" | "ai.generateObject" | "ai.streamObject").then_some(SpanType::Agent);
    call.or_else(outer).or(Some(SpanType::Chain))
}

/// Returns the kind that a client's own word for it means.
pub(crate) fn of_span_kind(kind: &str) -> Option<SpanType> {
    // MLflow writes its attributes as JSON, orq.ai the word "span" before the kind.
    let kind = kind.trim_matches('"');
    let kind = kind.strip_prefix("span.").unwrap_or(kind);
    let by_class = || KINDS_BY_CLASS.iter().find(|(end, _)| kind.ends_with(end)).map(|(_, kind)| *kind);
    KINDS_BY_SPAN_KIND.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|(_, kind)| *kind).or_else(by_class)
}

/// Returns true for a span that its client calls a mere span and that has nothing of a call, whatever operation it belongs to: an attempt
/// at a provider, below the call with its texts and tokens.
fn is_mere_step(hints: &KindInferenceInputs) -> bool {
    let is_named = hints.span_kind.is_some_and(|kind| kind.eq_ignore_ascii_case("span"));
    is_named && !hints.has_model && !hints.has_messages && !hints.has_usage
}

fn of_mcp(method: &str) -> SpanType {
    match method {
        "tools/call" => SpanType::Tool,
        "prompts/get" => SpanType::Prompt,
        _ => SpanType::Other,
    }
}

/// Returns operation and model from the name of a span. The conventions define the form of this name. This is needed because OpenLIT omits
/// all attributes of a failed call.
pub(crate) fn of_name<'a>(origin: &str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (operation, model) = name.split_once(' ')?;
    (origin.starts_with("openlit.") && find(KINDS_BY_OPERATION, operation).is_some()).then_some((operation, model))
}

/// Returns the kind that a marker among the attributes implies.
pub(crate) fn of_markers(origin: &str, attributes: &Attributes) -> Option<SpanType> {
    let has = |name: &str, values: &[&str]| {
        attributes.get(name).is_some_and(|value| values.is_empty() || value.as_str().is_some_and(|value| values.contains(&value)))
    };
    let fits = |(scope, name, values, _): &&(&str, &str, &[&str], SpanType)| origin.starts_with(scope) && has(name, values);
    MARKERS.iter().find(fits).map(|(.., kind)| *kind)
}

fn of_whole_name(origin: &str, name: &str) -> Option<SpanType> {
    KINDS_BY_NAME.iter().find(|(scope, known, _)| *scope == origin && *known == name).map(|(.., kind)| *kind)
}

/// Returns true for a kind of span that names the model that it uses.
pub(crate) fn uses_model(kind: SpanType) -> bool {
    matches!(kind, SpanType::Llm | SpanType::Embedding | SpanType::Reranker)
}

/// Returns true for an operation whose kind is known.
pub(crate) fn is_known_operation(operation: &str) -> bool {
    of_operation(operation).is_some()
}

fn of_operation(operation: &str) -> Option<SpanType> {
    let operation = operation.to_ascii_lowercase();
    let memory = || MEMORY_OPERATIONS.iter().any(|end| operation.ends_with(end)).then_some(SpanType::Other);
    let other_model = || OTHER_MODEL_OPERATIONS.contains(&&*operation).then_some(SpanType::Other);
    find(KINDS_BY_OPERATION, &operation).or_else(other_model).or_else(memory)
}

/// Returns true if a span uses a priced model other than a language model. Such a span is a reranking, or has the kind `other` and an
/// operation or model that shows such a use.
pub(crate) fn is_other_model_use(span: &Span) -> bool {
    let by_function = || VERCEL_MEDIA.iter().any(|function| span.name.starts_with(function));
    match (span.kind, span.model(), &span.operation) {
        (SpanType::Reranker, model, _) => model.is_some() || span.client_cost.is_some(),
        (SpanType::Other, Some(_), Some(operation)) => {
            OTHER_MODEL_OPERATIONS.iter().any(|known| known.eq_ignore_ascii_case(operation)) || by_function()
        }
        (SpanType::Other, Some(model), None) => by_function() || of_model(model) == Some(SpanType::Other),
        _ => false,
    }
}

/// Returns the kind of a model by its name.
fn of_model(model: &str) -> Option<SpanType> {
    let name = model.to_ascii_lowercase();
    MODEL_KINDS.iter().find(|(part, _)| name.contains(part)).map(|(_, kind)| *kind)
}

/// Returns true for a span whose client names a kind that is unknown here: a counter of tokens, a turn of speech, a judge. Such a span is
/// never a call only because it names a model.
fn has_unknown_kind(hints: &KindInferenceInputs) -> bool {
    let is_unknown = |kind: &str| of_span_kind(kind).is_none() && !NEUTRAL_KINDS.iter().any(|neutral| neutral.eq_ignore_ascii_case(kind));
    hints.has_foreign_kind && hints.span_kind.is_some_and(is_unknown)
}

/// Returns the kind that the content of the span implies: tool before retriever before model call.
fn of_content(hints: &KindInferenceInputs) -> Option<SpanType> {
    if hints.has_tool {
        Some(SpanType::Tool)
    } else if hints.has_retrieval {
        Some(SpanType::Retriever)
    } else if has_unknown_kind(hints) {
        None
    } else if hints.has_embedding_input {
        Some(SpanType::Embedding)
    } else if hints.has_model && (hints.has_messages || hints.has_usage) {
        Some(of_model(hints.model).unwrap_or(SpanType::Llm))
    } else if hints.has_model && !hints.has_http && !hints.has_db && of_model(hints.model) == Some(SpanType::Reranker) {
        Some(SpanType::Reranker)
    } else if hints.has_usage && !hints.has_http && !hints.has_db && of_op(hints.op).is_none() {
        // An agent that sums up its calls names no model.
        Some(if hints.has_agent { SpanType::Agent } else { SpanType::Llm })
    } else {
        None
    }
}

/// Returns the kind of a span.
pub fn kind(hints: &KindInferenceInputs) -> SpanType {
    let by_op = of_op(hints.op);
    let by_operation = hints.operation.filter(|_| !is_mere_step(hints)).and_then(of_operation);
    let by_kind = hints.vercel.and_then(of_vercel).or_else(|| hints.span_kind.and_then(of_span_kind)).or(hints.marked);
    let by_kind = by_kind.or_else(|| of_whole_name(hints.origin, hints.name));
    // A request stays a request even if a gateway adds the model that it is for. But a client's request with an operation of a model is
    // that call: Sentry's SDKs pass on spans of others with the op of a request.
    if let Some(kind @ (SpanType::Http | SpanType::Db)) = by_op
        && (kind == SpanType::Db || hints.op == SERVER_OP || by_kind.or(by_operation).is_none())
    {
        return kind;
    }
    let named = by_kind.or_else(|| by_op.filter(|kind| !matches!(kind, SpanType::Function | SpanType::Http))).or(by_operation);
    match (named, by_operation) {
        (Some(SpanType::Llm), _) if NON_CALL_SUFFIXES.iter().any(|end| hints.name.ends_with(end)) => return SpanType::Chain,
        // OpenLLMetry's "task" can be any step; the operation may be more specific.
        (Some(SpanType::Chain), Some(kind @ (SpanType::Retriever | SpanType::Reranker | SpanType::Tool))) => return kind,
        // A judge or guardrail that reports its own model and usage is a call of that model.
        (Some(SpanType::Evaluator | SpanType::Guardrail), _) if by_kind.is_none() && hints.has_model && hints.has_usage => {
            return SpanType::Llm;
        }
        (Some(kind), _) => return kind,
        (None, _) => {}
    }
    if let Some(method) = hints.mcp_method {
        return of_mcp(method);
    }
    // The outermost span of the Agents SDK has no op, only its name.
    if hints.origin == "auto.ai.openai_agents" && hints.name.ends_with(" workflow") {
        return SpanType::Chain;
    }
    if let Some((operation, _)) = of_name(hints.origin, hints.name) {
        return find(KINDS_BY_OPERATION, operation).unwrap_or(SpanType::Other);
    }
    of_content(hints).or(by_op).unwrap_or(match (hints.has_http, hints.has_db) {
        (_, true) => SpanType::Db,
        (true, _) => SpanType::Http,
        _ => SpanType::Other,
    })
}
