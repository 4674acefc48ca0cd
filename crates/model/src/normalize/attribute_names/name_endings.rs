//! Attribute names that the table of names does not list, recognized by how they end.
//!
//! Each reader of telemetry has an SDK of its own whose attributes start with the product's name and end like everybody's:
//! `basalt.span.input`, `trpc.go.agent.runner.session_id`, `ai.observability.cost.num_prompt_tokens`.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use super::SpanField;
use super::name_hasher::AttributeNameHasher;

/// Endings after a dot and the field that they mean, the best for each field first.
const ENDINGS: &[(SpanField, &[&str])] = &[
    (
        SpanField::SpanKind,
        &[
            "span.kind",
            "span_kind",
            "spanKind",
            "span.type",
            "span_type",
            "spanType",
            "observation.type",
            "step.type",
            "run_type",
            "node.type",
        ],
    ),
    (SpanField::Provider, &["llm.provider", "model.provider", "model_provider", "provider.name", "provider_name", "vendor"]),
    (
        SpanField::RequestModel,
        &[
            "llm.model",
            "request.model",
            "request_model",
            "cost.model",
            "model_name",
            "model.name",
            "model_id",
            "model.id",
            "model",
            "llm.name",
        ],
    ),
    (SpanField::ResponseModel, &["response.model", "response_model"]),
    (
        SpanField::Input,
        &[
            "input_messages",
            "input",
            "inputs",
            "input.value",
            "main_input",
            "llm_request",
            "input.messages",
            "prompt",
            "query",
            "request.body",
            "request_body",
        ],
    ),
    (
        SpanField::Output,
        &[
            "output_messages",
            "output",
            "outputs",
            "output.value",
            "main_output",
            "llm_response",
            "output.messages",
            "completion",
            "response.content",
            "response.text",
            "response.body",
            "response_body",
        ],
    ),
    (SpanField::EmbeddingInput, &["embedding_input", "embedding.text", "input_text"]),
    (
        SpanField::InputTokens,
        &[
            "input_tokens",
            "prompt_tokens",
            "inputTokens",
            "promptTokens",
            "num_prompt_tokens",
            "num_input_tokens",
            "input_token_count",
            "prompt_token_count",
            "tokens.input",
            "tokens.prompt",
            "token_count.input",
            "token_count.prompt",
            "tokens.in",
        ],
    ),
    (
        SpanField::OutputTokens,
        &[
            "output_tokens",
            "completion_tokens",
            "outputTokens",
            "completionTokens",
            "num_completion_tokens",
            "num_output_tokens",
            "output_token_count",
            "completion_token_count",
            "tokens.output",
            "tokens.completion",
            "token_count.output",
            "token_count.completion",
            "tokens.response",
            "tokens.out",
        ],
    ),
    (SpanField::TotalTokens, &["total_tokens", "totalTokens", "num_tokens", "total_token_count", "tokens.total", "token_count.total"]),
    (
        SpanField::CacheRead,
        &["cache_read_tokens", "cached_tokens", "cache_read_input_tokens", "cached_input_tokens", "tokens.cache_read", "tokens.cached"],
    ),
    (SpanField::CacheWrite, &["cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens", "tokens.cache_write"]),
    (SpanField::Reasoning, &["reasoning_tokens", "thinking_tokens", "tokens.reasoning"]),
    (SpanField::UsageDetails, &["usage", "token_usage", "usage_metadata", "usage_details", "tokenUsage", "metrics"]),
    (
        SpanField::ClientCost,
        &[
            "total_cost_usd",
            "cost_usd",
            "costUsd",
            "cost_in_usd",
            "total_cost",
            "totalCost",
            "cost.total",
            "cost.cost",
            "estimated_cost",
            "cost.usd",
            "cost.total_usd",
        ],
    ),
    (
        SpanField::Session,
        &["session_id", "session.id", "sessionId", "thread_id", "threadId", "conversation_id", "conversation.id", "conversationId"],
    ),
    (SpanField::User, &["user_id", "user.id", "userId", "end_user_id", "request.user"]),
    (SpanField::Agent, &["agent.name", "agent_name", "agentName"]),
    (SpanField::Tool, &["tool.name", "tool_name", "toolName", "tool_call.name"]),
    (
        SpanField::ToolArguments,
        &["tool.arguments", "tool_arguments", "tool.args", "tool_call_args", "tool.call.arguments", "tool.input", "tool_input"],
    ),
    (
        SpanField::ToolResult,
        &["tool.result", "tool_result", "tool.response", "tool_response", "tool.output", "tool_output", "tool.call.result"],
    ),
    (SpanField::RetrievalQuery, &["query_text", "query.text", "retrieval.query"]),
    (SpanField::RetrievalDocuments, &["retrieved_contexts", "retrieved_documents", "retrieval.documents", "retrieval.document"]),
    (SpanField::FinishReasons, &["finish_reason", "finish_reasons", "finishReason", "stop_reason"]),
    (SpanField::FirstTokenMillis, &["time_to_first_token_ms", "ttft_ms", "time_to_first_chunk_ms", "ms_to_first_token", "msToFirstToken"]),
    (SpanField::FirstTokenSeconds, &["time_to_first_token", "time_to_first_chunk", "ttft"]),
];

/// First words of names that belong to conventions about something else than programs that use models, and `llm`: LiteLLM repeats each
/// parameter of request and response below it, in a span of its own.
const OTHER_CONVENTIONS: &[&str] = &[
    "android",
    "aws",
    "azure",
    "browser",
    "client",
    "cloud",
    "code",
    "container",
    "db",
    "device",
    "enduser",
    "error",
    "event",
    "exception",
    "faas",
    "feature_flag",
    "graphql",
    "host",
    "http",
    "ios",
    "jvm",
    "k8s",
    "llm",
    "log",
    "messaging",
    "net",
    "network",
    "os",
    "otel",
    "peer",
    "process",
    "resource",
    "rpc",
    "sentry",
    "server",
    "service",
    "telemetry",
    "thread",
    "tls",
    "url",
    "user_agent",
];

/// An ending without its last word, its field, and its rank among the endings of that field.
type KnownEnding = (&'static str, SpanField, u8);

static ENDINGS_BY_LAST_WORD: LazyLock<HashMap<&'static str, Vec<KnownEnding>, BuildHasherDefault<AttributeNameHasher>>> =
    LazyLock::new(|| {
        let mut table: HashMap<_, Vec<KnownEnding>, _> = HashMap::default();
        for (field, endings) in ENDINGS {
            for (rank, ending) in endings.iter().enumerate() {
                let (before, last) = ending.rsplit_once('.').unwrap_or(("", ending));
                table.entry(last).or_default().push((before, *field, rank as u8));
            }
        }
        // The longest ending decides.
        table.values_mut().for_each(|endings| endings.sort_by_key(|(before, ..)| std::cmp::Reverse(before.len())));
        table
    });

/// Returns the field that the end of an attribute name means, and the rank of the ending among those of the field. Each unknown attribute
/// of each span is asked, so this must be fast.
pub(crate) fn field_of_ending(name: &str) -> Option<(SpanField, u8)> {
    let (rest, last) = name.rsplit_once('.')?;
    let endings = ENDINGS_BY_LAST_WORD.get(last)?;
    let first = rest.split_once('.').map_or(rest, |(first, _)| first);
    let fits = |before: &str| before.is_empty() || rest.strip_suffix(before).is_some_and(|rest| rest.ends_with('.'));
    let (_, field, rank) = endings.iter().find(|(before, ..)| fits(before))?;
    // Parts of a list are no field.
    let is_numbered = || rest.split('.').any(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    (!OTHER_CONVENTIONS.contains(&first) && !is_numbered()).then_some((*field, *rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_tells_its_field() {
        for (name, field) in [
            ("basalt.span.input", Some(SpanField::Input)),
            ("ai.observability.span_type", Some(SpanField::SpanKind)),
            ("acme.llm.model", Some(SpanField::RequestModel)),
            ("acme.tool.input", Some(SpanField::ToolArguments)),
            ("acme.mytool.input", Some(SpanField::Input)),
            ("acme.conversation.id", Some(SpanField::Session)),
            ("acme.order.id", None),
            ("acme.list.0.input", None),
            ("db.query.text", None),
            ("http.request.model", None),
            ("llm.openai.model", None),
            ("input", None),
            ("", None),
        ] {
            assert_eq!(field_of_ending(name).map(|(field, _)| field), field, "{name}");
        }
    }
}
