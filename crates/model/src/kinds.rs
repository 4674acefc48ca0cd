//! What sort of step a span is, from its op, its operation and, where these say nothing, from what it carries.

use crate::reports::SERVING;
use crate::span::Kind;

/// What is known of a span before its kind is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// Sentry's op, empty where there is none.
    pub op: &'a str,
    /// `gen_ai.operation.name` or its equivalent.
    pub operation: Option<&'a str>,
    /// The kind in the words of the client: `LLM`, `generation`, `workflow`.
    pub span_kind: Option<&'a str>,
    /// Vercel's function, such as `ai.generateText.doGenerate`.
    pub vercel: Option<&'a str>,
    /// `mcp.method.name`.
    pub mcp_method: Option<&'a str>,
    /// Names a tool, or the id of a tool call.
    pub has_tool: bool,
    /// Has a query or documents of a search.
    pub has_retrieval: bool,
    /// Has messages to or from a model.
    pub has_messages: bool,
    /// Names a model.
    pub has_model: bool,
    /// Has something to embed.
    pub has_embedding_input: bool,
    /// Is an HTTP request.
    pub has_http: bool,
    /// Is a database query.
    pub has_db: bool,
    /// Which instrumentation made the span.
    pub origin: &'a str,
    /// What the client calls it.
    pub name: &'a str,
}

/// Ops, exactly.
const OPS: &[(&str, Kind)] = &[
    ("gen_ai.chat", Kind::Llm),
    ("gen_ai.responses", Kind::Llm),
    ("gen_ai.messages", Kind::Llm),
    ("gen_ai.generate_content", Kind::Llm),
    ("gen_ai.generate_text", Kind::Llm),
    ("gen_ai.generate_object", Kind::Llm),
    ("gen_ai.stream_text", Kind::Llm),
    ("gen_ai.stream_object", Kind::Llm),
    ("gen_ai.text_completion", Kind::Llm),
    ("gen_ai.embeddings", Kind::Embedding),
    ("gen_ai.embed", Kind::Embedding),
    ("gen_ai.embed_many", Kind::Embedding),
    ("gen_ai.invoke_agent", Kind::Agent),
    ("gen_ai.create_agent", Kind::Agent),
    ("gen_ai.execute_tool", Kind::Tool),
    ("gen_ai.handoff", Kind::Handoff),
    ("gen_ai.rerank", Kind::Reranker),
    ("gen_ai.retrieval", Kind::Retriever),
    ("gen_ai.guardrail", Kind::Guardrail),
    ("gen_ai.evaluate", Kind::Evaluator),
    ("gen_ai.invoke_workflow", Kind::Chain),
    ("gen_ai.pipeline", Kind::Chain),
    ("gen_ai.models", Kind::Other),
    ("ai.pipeline", Kind::Chain),
    ("ai.run", Kind::Chain),
    ("ai.processor", Kind::Other),
    ("agent.event", Kind::Other),
    ("ai.pipeline.generate_text", Kind::Agent),
    ("ai.pipeline.generate_object", Kind::Agent),
    ("ai.pipeline.stream_text", Kind::Agent),
    ("ai.pipeline.stream_object", Kind::Agent),
    ("ai.run.generateText", Kind::Agent),
    ("ai.run.generateObject", Kind::Agent),
    ("ai.run.streamText", Kind::Agent),
    ("ai.run.streamObject", Kind::Agent),
    ("ai.run.doGenerate", Kind::Llm),
    ("ai.run.doStream", Kind::Llm),
    ("ai.embed.doEmbed", Kind::Embedding),
    ("http", Kind::Http),
    ("db", Kind::Db),
    ("function", Kind::Function),
];

/// Beginnings of ops, the first that fits.
const OP_PREFIXES: &[(&str, Kind)] = &[
    ("ai.chat_completions.create.", Kind::Llm),
    ("ai.messages.create.", Kind::Llm),
    ("ai.responses.create.", Kind::Llm),
    ("ai.completions.create.", Kind::Llm),
    ("ai.embeddings", Kind::Embedding),
    ("ai.tool.", Kind::Tool),
    ("ai.toolCall", Kind::Tool),
    ("ai.agent.", Kind::Agent),
    ("ai.pipeline.", Kind::Chain),
    ("ai.run.", Kind::Chain),
    ("gen_ai.memory", Kind::Other),
    ("http.", Kind::Http),
    ("db.", Kind::Db),
    ("function.", Kind::Function),
];

/// Operations of the OpenTelemetry conventions and what else stands in their attribute.
const OPERATIONS: &[(&str, Kind)] = &[
    ("chat", Kind::Llm),
    ("text_completion", Kind::Llm),
    ("completion", Kind::Llm),
    ("generate_content", Kind::Llm),
    ("responses", Kind::Llm),
    ("messages", Kind::Llm),
    ("embeddings", Kind::Embedding),
    ("embedding", Kind::Embedding),
    ("invoke_agent", Kind::Agent),
    ("create_agent", Kind::Agent),
    ("plan", Kind::Agent),
    ("invoke_workflow", Kind::Chain),
    // Mastra's, round the calls that it names as the conventions do.
    ("model_generation", Kind::Chain),
    ("model_step", Kind::Chain),
    ("agent_step", Kind::Chain),
    ("workflow_run", Kind::Chain),
    ("workflow_step", Kind::Chain),
    ("workflow", Kind::Chain),
    ("execute_task", Kind::Chain),
    ("execute_event_loop_cycle", Kind::Chain),
    ("chain", Kind::Chain),
    ("parser", Kind::Chain),
    ("execute_tool", Kind::Tool),
    ("handoff", Kind::Handoff),
    ("agent_handoff", Kind::Handoff),
    ("retrieval", Kind::Retriever),
    ("vector_db_retrieve", Kind::Retriever),
    ("rerank", Kind::Reranker),
    ("prompt", Kind::Prompt),
];

/// Kinds in the words of OpenInference, Langfuse, OpenLLMetry, Laminar, in lower case.
const SPAN_KINDS: &[(&str, Kind)] = &[
    ("llm", Kind::Llm),
    ("generation", Kind::Llm),
    ("llm_request", Kind::Llm),
    ("chat_model", Kind::Llm),
    ("embedding", Kind::Embedding),
    ("agent", Kind::Agent),
    ("tool", Kind::Tool),
    ("handoff", Kind::Handoff),
    ("retriever", Kind::Retriever),
    ("reranker", Kind::Reranker),
    ("guardrail", Kind::Guardrail),
    ("evaluator", Kind::Evaluator),
    ("chain", Kind::Chain),
    ("workflow", Kind::Chain),
    ("task", Kind::Chain),
    ("parser", Kind::Chain),
    ("prompt", Kind::Prompt),
    // Spring AI's.
    ("chat_client", Kind::Chain),
    ("advisor", Kind::Chain),
    ("tool_call", Kind::Tool),
];

/// Ends of names of spans that say that they call a model, and do not.
const NO_CALLS: &[&str] = &["._prepare_chat_with_tools"];

/// Vercel's functions that are one call of a model. Whatever calls them repeats their usage.
const VERCEL_CALLS: &[(&str, Kind)] =
    &[(".doGenerate", Kind::Llm), (".doStream", Kind::Llm), (".doEmbed", Kind::Embedding), (".doRerank", Kind::Reranker)];

fn find(table: &[(&str, Kind)], name: &str) -> Option<Kind> {
    table.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The kind that an op alone means.
pub fn of_op(op: &str) -> Option<Kind> {
    let by_prefix = || OP_PREFIXES.iter().find(|(prefix, _)| op.starts_with(prefix)).map(|(_, kind)| *kind);
    find(OPS, op).or_else(by_prefix)
}

/// The operation of a kind of step, for clients that name neither operation nor op.
pub fn operation_of_kind(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Llm => Some("chat"),
        Kind::Embedding => Some("embeddings"),
        Kind::Agent => Some("invoke_agent"),
        Kind::Tool => Some("execute_tool"),
        Kind::Retriever => Some("retrieval"),
        Kind::Reranker => Some("rerank"),
        _ => None,
    }
}

/// The operation that an op names, in the words of the conventions, for clients that send no operation.
pub fn operation_of_op(op: &str) -> Option<&str> {
    if let Some(operation) = op.strip_prefix("gen_ai.").filter(|operation| !operation.is_empty()) {
        return Some(operation);
    }
    match of_op(op) {
        Some(Kind::Embedding) => Some("embeddings"),
        Some(Kind::Tool) => Some("execute_tool"),
        Some(Kind::Agent) => Some("invoke_agent"),
        Some(Kind::Llm) => Some("chat"),
        _ => None,
    }
}

fn of_vercel(function: &str) -> Option<Kind> {
    // `operation.name` is a common name: only Vercel's begin so. A function id may follow after a space.
    let function = function.split(' ').next().filter(|f| f.starts_with("ai."))?;
    if function == "ai.toolCall" {
        return Some(Kind::Tool);
    }
    let call = VERCEL_CALLS.iter().find(|(suffix, _)| function.ends_with(suffix)).map(|(_, kind)| *kind);
    let outer = || matches!(function, "ai.generateText" | "ai.streamText" | "ai.generateObject" | "ai.streamObject").then_some(Kind::Agent);
    call.or_else(outer).or(Some(Kind::Chain))
}

fn of_span_kind(kind: &str) -> Option<Kind> {
    // MLflow writes its attributes as JSON.
    let kind = kind.trim_matches('"');
    SPAN_KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind)).map(|(_, kind)| *kind)
}

fn of_mcp(method: &str) -> Kind {
    match method {
        "tools/call" => Kind::Tool,
        "prompts/get" => Kind::Prompt,
        _ => Kind::Other,
    }
}

/// Operation and model of a span that only its name tells of, as the conventions make names: OpenLIT leaves all attributes of a call
/// that failed out.
pub(crate) fn of_name<'a>(origin: &str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (operation, model) = name.split_once(' ')?;
    (origin.starts_with("openlit.") && find(OPERATIONS, operation).is_some()).then_some((operation, model))
}

/// What the span carries decides where its names do not: tool before retriever before model call.
fn of_content(hints: &Hints) -> Option<Kind> {
    if hints.has_tool {
        Some(Kind::Tool)
    } else if hints.has_retrieval {
        Some(Kind::Retriever)
    } else if hints.has_embedding_input {
        Some(Kind::Embedding)
    } else if hints.has_model && (hints.has_messages || hints.operation.is_some() || hints.op.starts_with("gen_ai.")) {
        Some(Kind::Llm)
    } else {
        None
    }
}

/// The kind of a span.
pub fn kind(hints: &Hints) -> Kind {
    let by_op = of_op(hints.op);
    let by_operation = hints.operation.and_then(|operation| find(OPERATIONS, operation));
    let by_kind = hints.vercel.and_then(of_vercel).or_else(|| hints.span_kind.and_then(of_span_kind));
    // A request is a request, even where a gateway writes the model that it is for beside it. But a client's that says what it asks of a
    // model is that call: Sentry's SDKs pass spans of others on with the op of a request.
    if let Some(kind @ (Kind::Http | Kind::Db)) = by_op
        && (kind == Kind::Db || hints.op == SERVING || by_kind.or(by_operation).is_none())
    {
        return kind;
    }
    let named = by_kind.or_else(|| by_op.filter(|kind| !matches!(kind, Kind::Function | Kind::Http))).or(by_operation);
    match (named, by_operation) {
        (Some(Kind::Llm), _) if NO_CALLS.iter().any(|end| hints.name.ends_with(end)) => return Kind::Chain,
        // OpenLLMetry's "task" is any step; the operation may say which.
        (Some(Kind::Chain), Some(kind @ (Kind::Retriever | Kind::Reranker | Kind::Tool))) => return kind,
        (Some(kind), _) => return kind,
        (None, _) => {}
    }
    if let Some(method) = hints.mcp_method {
        return of_mcp(method);
    }
    // The Agents SDK's outermost span has no op, only its name.
    if hints.origin == "auto.ai.openai_agents" && hints.name.ends_with(" workflow") {
        return Kind::Chain;
    }
    if let Some((operation, _)) = of_name(hints.origin, hints.name) {
        return find(OPERATIONS, operation).unwrap_or(Kind::Other);
    }
    of_content(hints).or(by_op).unwrap_or(match (hints.has_http, hints.has_db) {
        (_, true) => Kind::Db,
        (true, _) => Kind::Http,
        _ => Kind::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_of_all_ages() {
        for (op, expected) in [
            ("gen_ai.chat", Kind::Llm),
            ("gen_ai.responses", Kind::Llm),
            ("gen_ai.embeddings", Kind::Embedding),
            ("gen_ai.invoke_agent", Kind::Agent),
            ("gen_ai.handoff", Kind::Handoff),
            ("ai.chat_completions.create.openai", Kind::Llm),
            ("ai.embeddings.create.cohere", Kind::Embedding),
            ("ai.pipeline", Kind::Chain),
            ("ai.run", Kind::Chain),
            ("ai.pipeline.langchain", Kind::Chain),
            ("ai.tool.langchain", Kind::Tool),
            ("ai.agent.langchain", Kind::Agent),
            ("ai.pipeline.generate_text", Kind::Agent),
            ("http.client", Kind::Http),
            ("db.sql.query", Kind::Db),
            ("function", Kind::Function),
            ("task", Kind::Other),
            ("", Kind::Other),
        ] {
            assert_eq!(kind(&Hints { op, ..Hints::default() }), expected, "{op}");
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
        let of = |vercel| kind(&Hints { vercel: Some(vercel), op: "gen_ai.generate_text", ..Hints::default() });
        assert_eq!(of("ai.generateText"), Kind::Agent);
        assert_eq!(of("ai.generateText.doGenerate"), Kind::Llm);
        assert_eq!(of("ai.embed.doEmbed"), Kind::Embedding);
        assert_eq!(of("ai.embedMany"), Kind::Chain);
        assert_eq!(of("ai.toolCall weather-bot"), Kind::Tool);
        assert_eq!(of("checkout"), Kind::Llm, "not Vercel's: the op decides");
    }

    #[test]
    fn what_a_span_carries_decides_where_names_do_not() {
        let unnamed = Hints { op: "acompletion", ..Hints::default() };
        assert_eq!(kind(&Hints { has_tool: true, has_model: true, ..unnamed }), Kind::Tool);
        assert_eq!(kind(&Hints { has_model: true, has_messages: true, ..unnamed }), Kind::Llm);
        assert_eq!(kind(&Hints { operation: Some("chat"), ..unnamed }), Kind::Llm);
        assert_eq!(kind(&unnamed), Kind::Other);
    }

    #[test]
    fn what_is_said_of_a_model_outweighs_the_op_of_a_request() {
        let of = |op, operation, span_kind| kind(&Hints { op, operation, span_kind, has_model: true, has_http: true, ..Hints::default() });
        assert_eq!(of("http.client", Some("chat"), None), Kind::Llm);
        assert_eq!(of("http", Some("embeddings"), None), Kind::Embedding);
        assert_eq!(of("http.client", None, Some("LLM")), Kind::Llm);
        assert_eq!(of("http.client", Some("POST"), None), Kind::Http, "no operation that is known");
        assert_eq!(of("http.client", None, None), Kind::Http, "a model alone is what a gateway writes too");
        assert_eq!(of("http.server", Some("chat"), None), Kind::Http, "who serves it does not ask");
        assert_eq!(of("db.query", Some("chat"), None), Kind::Db);
    }

    #[test]
    fn words_of_single_frameworks() {
        let of = |span_kind, operation, name| kind(&Hints { span_kind, operation, name, ..Hints::default() });
        assert_eq!(of(Some("\"CHAT_MODEL\""), None, "MLflow"), Kind::Llm);
        assert_eq!(of(Some("prompt"), Some("chat"), "LangSmith's template"), Kind::Prompt);
        assert_eq!(of(Some("task"), Some("vector_db_retrieve"), "OpenLLMetry"), Kind::Retriever);
        assert_eq!(of(Some("workflow"), Some("invoke_agent"), "OpenLLMetry"), Kind::Chain);
        assert_eq!(of(Some("LLM"), None, "OpenAI._prepare_chat_with_tools"), Kind::Chain, "LlamaIndex before the call");
        assert_eq!(of(None, Some("execute_event_loop_cycle"), "Strands"), Kind::Chain);
        assert_eq!(of(None, Some("agent_handoff"), "OpenTelemetry for the Agents SDK"), Kind::Handoff);
    }
}
