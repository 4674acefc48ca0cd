//! Determines the kind of a span from its op and operation, otherwise from its other attributes.

use crate::dedup::duplicate_reports::SERVING;
use crate::span::SpanType;

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

/// Kinds of exact ops.
const OPS: &[(&str, SpanType)] = &[
    ("gen_ai.chat", SpanType::Llm),
    ("gen_ai.responses", SpanType::Llm),
    ("gen_ai.messages", SpanType::Llm),
    ("gen_ai.generate_content", SpanType::Llm),
    ("gen_ai.generate_text", SpanType::Llm),
    ("gen_ai.generate_object", SpanType::Llm),
    ("gen_ai.stream_text", SpanType::Llm),
    ("gen_ai.stream_object", SpanType::Llm),
    ("gen_ai.text_completion", SpanType::Llm),
    ("gen_ai.embeddings", SpanType::Embedding),
    ("gen_ai.embed", SpanType::Embedding),
    ("gen_ai.embed_many", SpanType::Embedding),
    ("gen_ai.invoke_agent", SpanType::Agent),
    ("gen_ai.create_agent", SpanType::Agent),
    ("gen_ai.execute_tool", SpanType::Tool),
    ("gen_ai.handoff", SpanType::Handoff),
    ("gen_ai.rerank", SpanType::Reranker),
    ("gen_ai.retrieval", SpanType::Retriever),
    ("gen_ai.guardrail", SpanType::Guardrail),
    ("gen_ai.evaluate", SpanType::Evaluator),
    ("gen_ai.invoke_workflow", SpanType::Chain),
    ("gen_ai.pipeline", SpanType::Chain),
    ("gen_ai.models", SpanType::Other),
    ("ai.pipeline", SpanType::Chain),
    ("ai.run", SpanType::Chain),
    ("ai.processor", SpanType::Other),
    ("agent.event", SpanType::Other),
    ("ai.pipeline.generate_text", SpanType::Agent),
    ("ai.pipeline.generate_object", SpanType::Agent),
    ("ai.pipeline.stream_text", SpanType::Agent),
    ("ai.pipeline.stream_object", SpanType::Agent),
    ("ai.run.generateText", SpanType::Agent),
    ("ai.run.generateObject", SpanType::Agent),
    ("ai.run.streamText", SpanType::Agent),
    ("ai.run.streamObject", SpanType::Agent),
    ("ai.run.doGenerate", SpanType::Llm),
    ("ai.run.doStream", SpanType::Llm),
    ("ai.embed.doEmbed", SpanType::Embedding),
    ("http", SpanType::Http),
    ("db", SpanType::Db),
    ("function", SpanType::Function),
];

/// Kinds of prefixes of ops; the first match wins.
const OP_PREFIXES: &[(&str, SpanType)] = &[
    ("ai.chat_completions.create.", SpanType::Llm),
    ("ai.messages.create.", SpanType::Llm),
    ("ai.responses.create.", SpanType::Llm),
    ("ai.completions.create.", SpanType::Llm),
    ("ai.embeddings", SpanType::Embedding),
    ("ai.tool.", SpanType::Tool),
    ("ai.toolCall", SpanType::Tool),
    ("ai.agent.", SpanType::Agent),
    ("ai.pipeline.", SpanType::Chain),
    ("ai.run.", SpanType::Chain),
    ("gen_ai.memory", SpanType::Other),
    ("http.", SpanType::Http),
    ("db.", SpanType::Db),
    ("function.", SpanType::Function),
];

/// Kinds of operations: those of the OpenTelemetry conventions, and others in the same attribute.
const OPERATIONS: &[(&str, SpanType)] = &[
    ("chat", SpanType::Llm),
    ("text_completion", SpanType::Llm),
    ("completion", SpanType::Llm),
    ("generate_content", SpanType::Llm),
    ("responses", SpanType::Llm),
    ("messages", SpanType::Llm),
    ("embeddings", SpanType::Embedding),
    ("embedding", SpanType::Embedding),
    ("invoke_agent", SpanType::Agent),
    ("create_agent", SpanType::Agent),
    ("plan", SpanType::Agent),
    ("invoke_workflow", SpanType::Chain),
    // Mastra: spans around the calls, which it names as the conventions do.
    ("model_generation", SpanType::Chain),
    ("model_step", SpanType::Chain),
    ("agent_step", SpanType::Chain),
    ("workflow_run", SpanType::Chain),
    ("workflow_step", SpanType::Chain),
    ("workflow", SpanType::Chain),
    ("execute_task", SpanType::Chain),
    ("execute_event_loop_cycle", SpanType::Chain),
    ("chain", SpanType::Chain),
    ("parser", SpanType::Chain),
    ("execute_tool", SpanType::Tool),
    ("handoff", SpanType::Handoff),
    ("agent_handoff", SpanType::Handoff),
    ("retrieval", SpanType::Retriever),
    ("vector_db_retrieve", SpanType::Retriever),
    ("rerank", SpanType::Reranker),
    ("prompt", SpanType::Prompt),
];

/// Kinds as OpenInference, Langfuse, OpenLLMetry and Laminar name them, in lower case.
const SPAN_KINDS: &[(&str, SpanType)] = &[
    ("llm", SpanType::Llm),
    ("generation", SpanType::Llm),
    ("llm_request", SpanType::Llm),
    ("chat_model", SpanType::Llm),
    ("embedding", SpanType::Embedding),
    ("agent", SpanType::Agent),
    ("tool", SpanType::Tool),
    ("handoff", SpanType::Handoff),
    ("retriever", SpanType::Retriever),
    ("reranker", SpanType::Reranker),
    ("guardrail", SpanType::Guardrail),
    ("evaluator", SpanType::Evaluator),
    ("chain", SpanType::Chain),
    ("workflow", SpanType::Chain),
    ("task", SpanType::Chain),
    ("parser", SpanType::Chain),
    ("prompt", SpanType::Prompt),
    // Spring AI.
    ("chat_client", SpanType::Chain),
    ("advisor", SpanType::Chain),
    ("tool_call", SpanType::Tool),
];

/// Suffixes of names of spans that claim to call a model but do not.
const NO_CALLS: &[&str] = &["._prepare_chat_with_tools"];

/// Vercel's functions that are one call of a model. The functions around them repeat their usage.
const VERCEL_CALLS: &[(&str, SpanType)] =
    &[(".doGenerate", SpanType::Llm), (".doStream", SpanType::Llm), (".doEmbed", SpanType::Embedding), (".doRerank", SpanType::Reranker)];

fn find(table: &[(&str, SpanType)], name: &str) -> Option<SpanType> {
    table.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// Returns the kind that an op alone implies.
pub fn of_op(op: &str) -> Option<SpanType> {
    let by_prefix = || OP_PREFIXES.iter().find(|(prefix, _)| op.starts_with(prefix)).map(|(_, kind)| *kind);
    find(OPS, op).or_else(by_prefix)
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
    let call = VERCEL_CALLS.iter().find(|(suffix, _)| function.ends_with(suffix)).map(|(_, kind)| *kind);
    let outer =
        || matches!(function, "ai.generateText" | "ai.streamText" | "ai.generateObject" | "ai.streamObject").then_some(SpanType::Agent);
    call.or_else(outer).or(Some(SpanType::Chain))
}

fn of_span_kind(kind: &str) -> Option<SpanType> {
    // MLflow writes its attributes as JSON.
    let kind = kind.trim_matches('"');
    SPAN_KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|(_, kind)| *kind)
}

fn of_mcp(method: &str) -> SpanType {
    match method {
        "tools/call" => SpanType::Tool,
        "prompts/get" => SpanType::Prompt,
        _ => SpanType::Other,
    }
}

/// Returns operation and model from the name of a span, which the conventions define: OpenLIT omits all attributes of a failed call.
pub(crate) fn of_name<'a>(origin: &str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (operation, model) = name.split_once(' ')?;
    (origin.starts_with("openlit.") && find(OPERATIONS, operation).is_some()).then_some((operation, model))
}

/// Returns the kind that the content of the span implies: tool before retriever before model call.
fn of_content(hints: &KindInferenceInputs) -> Option<SpanType> {
    if hints.has_tool {
        Some(SpanType::Tool)
    } else if hints.has_retrieval {
        Some(SpanType::Retriever)
    } else if hints.has_embedding_input {
        Some(SpanType::Embedding)
    } else if hints.has_model && (hints.has_messages || hints.operation.is_some() || hints.op.starts_with("gen_ai.")) {
        Some(SpanType::Llm)
    } else {
        None
    }
}

/// Returns the kind of a span.
pub fn kind(hints: &KindInferenceInputs) -> SpanType {
    let by_op = of_op(hints.op);
    let by_operation = hints.operation.and_then(|operation| find(OPERATIONS, operation));
    let by_kind = hints.vercel.and_then(of_vercel).or_else(|| hints.span_kind.and_then(of_span_kind));
    // A request stays a request even if a gateway adds the model that it is for. But a client's request with an operation of a model is
    // that call: Sentry's SDKs pass on spans of others with the op of a request.
    if let Some(kind @ (SpanType::Http | SpanType::Db)) = by_op
        && (kind == SpanType::Db || hints.op == SERVING || by_kind.or(by_operation).is_none())
    {
        return kind;
    }
    let named = by_kind.or_else(|| by_op.filter(|kind| !matches!(kind, SpanType::Function | SpanType::Http))).or(by_operation);
    match (named, by_operation) {
        (Some(SpanType::Llm), _) if NO_CALLS.iter().any(|end| hints.name.ends_with(end)) => return SpanType::Chain,
        // OpenLLMetry's "task" can be any step; the operation may be more specific.
        (Some(SpanType::Chain), Some(kind @ (SpanType::Retriever | SpanType::Reranker | SpanType::Tool))) => return kind,
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
        return find(OPERATIONS, operation).unwrap_or(SpanType::Other);
    }
    of_content(hints).or(by_op).unwrap_or(match (hints.has_http, hints.has_db) {
        (_, true) => SpanType::Db,
        (true, _) => SpanType::Http,
        _ => SpanType::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_of_all_ages() {
        for (op, expected) in [
            ("gen_ai.chat", SpanType::Llm),
            ("gen_ai.responses", SpanType::Llm),
            ("gen_ai.embeddings", SpanType::Embedding),
            ("gen_ai.invoke_agent", SpanType::Agent),
            ("gen_ai.handoff", SpanType::Handoff),
            ("ai.chat_completions.create.openai", SpanType::Llm),
            ("ai.embeddings.create.cohere", SpanType::Embedding),
            ("ai.pipeline", SpanType::Chain),
            ("ai.run", SpanType::Chain),
            ("ai.pipeline.langchain", SpanType::Chain),
            ("ai.tool.langchain", SpanType::Tool),
            ("ai.agent.langchain", SpanType::Agent),
            ("ai.pipeline.generate_text", SpanType::Agent),
            ("http.client", SpanType::Http),
            ("db.sql.query", SpanType::Db),
            ("function", SpanType::Function),
            ("task", SpanType::Other),
            ("", SpanType::Other),
        ] {
            assert_eq!(kind(&KindInferenceInputs { op, ..KindInferenceInputs::default() }), expected, "{op}");
        }
    }

    #[test]
    fn operations_of_ops() {
        assert_eq!(operation_of_op("gen_ai.execute_tool"), Some("execute_tool"));
        assert_eq!(operation_of_op("ai.chat_completions.create.openai"), Some("chat"));
        assert_eq!(operation_of_op("ai.embeddings.create.cohere"), Some("embeddings"));
        assert_eq!(operation_of_op("http.client"), None);
    }

    #[test]
    fn vercel_tells_outer_spans_from_calls() {
        let of = |vercel| kind(&KindInferenceInputs { vercel: Some(vercel), op: "gen_ai.generate_text", ..KindInferenceInputs::default() });
        assert_eq!(of("ai.generateText"), SpanType::Agent);
        assert_eq!(of("ai.generateText.doGenerate"), SpanType::Llm);
        assert_eq!(of("ai.embed.doEmbed"), SpanType::Embedding);
        assert_eq!(of("ai.embedMany"), SpanType::Chain);
        assert_eq!(of("ai.toolCall weather-bot"), SpanType::Tool);
        assert_eq!(of("checkout"), SpanType::Llm, "not Vercel's: the op decides");
    }

    #[test]
    fn what_a_span_carries_decides_where_names_do_not() {
        let unnamed = KindInferenceInputs { op: "acompletion", ..KindInferenceInputs::default() };
        assert_eq!(kind(&KindInferenceInputs { has_tool: true, has_model: true, ..unnamed }), SpanType::Tool);
        assert_eq!(kind(&KindInferenceInputs { has_model: true, has_messages: true, ..unnamed }), SpanType::Llm);
        assert_eq!(kind(&KindInferenceInputs { operation: Some("chat"), ..unnamed }), SpanType::Llm);
        assert_eq!(kind(&unnamed), SpanType::Other);
    }

    #[test]
    fn what_is_said_of_a_model_outweighs_the_op_of_a_request() {
        let of = |op, operation, span_kind| {
            kind(&KindInferenceInputs { op, operation, span_kind, has_model: true, has_http: true, ..KindInferenceInputs::default() })
        };
        assert_eq!(of("http.client", Some("chat"), None), SpanType::Llm);
        assert_eq!(of("http", Some("embeddings"), None), SpanType::Embedding);
        assert_eq!(of("http.client", None, Some("LLM")), SpanType::Llm);
        assert_eq!(of("http.client", Some("POST"), None), SpanType::Http, "no operation that is known");
        assert_eq!(of("http.client", None, None), SpanType::Http, "a model alone is what a gateway writes too");
        assert_eq!(of("http.server", Some("chat"), None), SpanType::Http, "who serves it does not ask");
        assert_eq!(of("db.query", Some("chat"), None), SpanType::Db);
    }

    #[test]
    fn words_of_single_frameworks() {
        let of = |span_kind, operation, name| kind(&KindInferenceInputs { span_kind, operation, name, ..KindInferenceInputs::default() });
        assert_eq!(of(Some("\"CHAT_MODEL\""), None, "MLflow"), SpanType::Llm);
        assert_eq!(of(Some("prompt"), Some("chat"), "LangSmith's template"), SpanType::Prompt);
        assert_eq!(of(Some("task"), Some("vector_db_retrieve"), "OpenLLMetry"), SpanType::Retriever);
        assert_eq!(of(Some("workflow"), Some("invoke_agent"), "OpenLLMetry"), SpanType::Chain);
        assert_eq!(of(Some("LLM"), None, "OpenAI._prepare_chat_with_tools"), SpanType::Chain, "LlamaIndex before the call");
        assert_eq!(of(None, Some("execute_event_loop_cycle"), "Strands"), SpanType::Chain);
        assert_eq!(of(None, Some("agent_handoff"), "OpenTelemetry for the Agents SDK"), SpanType::Handoff);
    }
}
