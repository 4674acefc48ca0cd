//! Table of the attribute names that clients use for each canonical field.
//!
//! The names of a field are in the order of precedence: if a span has several, the first wins. The table covers the old and new
//! OpenTelemetry conventions, Sentry, OpenLLMetry (`traceloop.*`), OpenInference, Vercel (`ai.*`), Langfuse and a few single programs. All
//! conventions are in one table, because they borrow names from one another.

mod dialect;
mod name_endings;
mod name_hasher;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use serde_json::Value;

use crate::span::Attributes;
pub use dialect::AttributeDialect;
pub(crate) use dialect::{is_out_of_place, is_placeholder};
pub(crate) use name_endings::field_of_ending;
use name_hasher::AttributeNameHasher;

/// Defines the fields with their canonical names and attribute names.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident $canonical:literal = [$($name:literal),* $(,)?]),+ $(,)?) => {
        /// Meaning of an attribute.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum SpanField { $($(#[$doc])* $field),+ }

        impl SpanField {
            /// All fields in the order of their numbers.
            pub const ALL: &[SpanField] = &[$(SpanField::$field),+];

            /// Returns the canonical name, as provenance shows it.
            pub const fn as_str(self) -> &'static str {
                match self { $(SpanField::$field => $canonical),+ }
            }

            /// Returns the attribute names of the field, the best first.
            pub const fn names(self) -> &'static [&'static str] {
                match self { $(SpanField::$field => &[$($name),*]),+ }
            }
        }
    };
}

fields! {
    /// Sentry's op.
    Op "op" = ["sentry.op"],
    /// Instrumentation that created the span.
    Origin "origin" = ["sentry.origin", "otel.scope.name"],
    /// Operation: `chat`, `embeddings`, `execute_tool`.
    Operation "operation" = [
        "gen_ai.operation.name", "gen_ai.operation", "llm.request.type",
        "gen_ai_operation_name", "openai.resource",
    ],
    /// Vercel's name of the function, which distinguishes outer spans from the calls in them.
    VercelOperation "operation" = ["ai.operationId", "vercel.ai.operationId", "operation.name"],
    /// Kind of the span as the client names it.
    SpanKind "kind" = [
        "mlflow.spanType", "openinference.span.kind", "langfuse.observation.type", "respan.entity.log_type", "traceloop.span.kind",
        "lmnr.span.type",
        "langsmith.span.kind", "genkit:metadata:subtype", "agentops.span.kind", "spring.ai.kind", "span.type", "gen_ai.span.kind",
        "gen_ai.operation.type",
        "genkit:type", "entity.type", "ag2.span.type", "haystack.component.type", "langwatch.span.type", "mastra.span.type",
        "braintrust.span_attributes.type", "weave.span.kind", "fi.span.kind", "confident.span.type", "honeyhive_event_type",
        "dd.llmobs.span.kind", "netra.span.type", "ag.type.node", "nat.span.kind", "tfy.span_type", "span_type", "langfuse.type",
    ],
    /// Provider of the model.
    Provider "provider" = [
        "gen_ai.provider.name", "gen_ai.system", "ai.model.provider", "vercel.ai.model.provider", "llm.provider", "llm.system",
        "llm.vendor", "aisdk.model.provider",
        "mlflow.llm.provider", "langsmith.metadata.ls_provider", "traceloop.association.properties.ls_provider", "llm.request.provider",
        "gen_ai_system", "langfuse.observation.metadata.ls_provider", "metadata.ls_provider", "gen_ai.model.provider",
        "openclaw.provider", "braintrust.metadata.provider", "honeyhive_config.provider", "litellm.provider", "traceloop.entity.provider",
        "service_provider",
    ],
    /// Requested model.
    RequestModel "request_model" = [
        "gen_ai.request.model", "ai.model.id", "vercel.ai.model.id", "ai.model_id", "llm.request.model_name", "llm.request.model",
        "llm.model_name", "embedding.model_name", "reranker.model_name", "langfuse.observation.model.name", "aisdk.model.id",
        "traceloop.association.properties.ls_model_name", "mlflow.llm.model",
        "gen_ai.model.name", "gen_ai.model", "llm.model", "langsmith.metadata.ls_model_name",
        "gen_ai.request_model", "gen_ai_request_model", "model", "openclaw.model",
        "braintrust.metadata.model", "confident.llm.model", "honeyhive_config.model", "tfy.model.name", "openai.model",
    ],
    /// Answering model.
    ResponseModel "response_model" = [
        "gen_ai.response.model", "ai.response.model", "vercel.ai.response.model", "llm.response.model_name", "llm.response.model",
        "gen_ai.response_model", "gen_ai_response_model",
    ],
    /// ID that the provider gave to the response.
    ResponseId "response_id" = [
        "gen_ai.response.id", "ai.response.id", "vercel.ai.response.id", "ai.generation_id", "llm.response.id",
        "gen_ai.response_id", "gen_ai.request.id",
    ],
    /// System instructions that are separate from the messages.
    System "input_messages" = [
        "gen_ai.system_instructions", "gen_ai.system.message", "ai.preamble", "gen_ai.system_prompt", "llm.system_prompt",
        "openclaw.content.system_prompt", "system_instructions",
    ],
    /// Input of the call.
    Input "input_messages" = [
        "gen_ai.input.messages", "gen_ai.request.messages", "ai.prompt.messages", "vercel.ai.prompt.messages", "ai.input_messages",
        "pydantic_ai.all_messages", "all_messages_events", "gen_ai.prompt", "gen_ai.content.prompt", "ai.prompt",
        "vercel.ai.prompt", "llm.prompts", "langfuse.observation.input", "input.value", "traceloop.entity.input",
        "mlflow.spanInputs", "lmnr.span.input", "gcp.vertex.agent.llm_request", "genkit:input", "lk.chat_ctx", "lk.pii.chat_ctx",
        "mastra.agent_run.input", "mastra.model_generation.input",
        "mastra.model_step.input", "mastra.workflow_run.input", "mastra.workflow_step.input",
        "flue.turn.input", "flue.task.prompt", "llm.messages", "input.audio.transcript", "lk.user_input", "request_data", "input",
        "gen_ai.input", "gen_ai.input_messages", "gen_ai.request.prompt", "gen_ai.prompt_json", "llm.prompt", "llm.input", "ai.input",
        "lk.input_text", "lk.user_transcript", "haystack.component.input", "langwatch.input", "openclaw.content.input_messages",
        "braintrust.input_json", "fi.llm.input", "confident.span.input", "honeyhive_inputs.chat_history",
        "netra.entity.input", "agentops.task.input", "ag.data.inputs", "langchain.inputs", "tfy.input", "monocle.input",
        "gen_ai.input.messages.otel", "inputs", "agent.messages", "request", "llm.user_message_preview", "gen_ai.prompt.text",
        "request.prompts", "gen_ai.request.input", "agentmark.request.input", "agentmark.input",
        "agentmark.props", "agent.stream.argument.0", "agent.generate.argument.0",
        "agent.streamLegacy.argument.0", "agent.generateLegacy.argument.0",
    ],
    /// Texts to embed.
    EmbeddingInput "input_messages" = [
        "gen_ai.embeddings.input", "ai.values", "ai.value", "ai.texts", "vercel.ai.values", "vercel.ai.value",
    ],
    /// Response as messages.
    Output "output_messages" = [
        "gen_ai.output.messages", "ai.responses", "gen_ai.completion", "gen_ai.content.completion", "langfuse.observation.output",
        "output.value", "traceloop.entity.output", "mlflow.spanOutputs", "lmnr.span.output", "gcp.vertex.agent.llm_response",
        "genkit:output", "final_result", "mastra.agent_run.output", "mastra.model_generation.output", "mastra.model_step.output",
        "mastra.model_chunk.output", "mastra.workflow_run.output", "mastra.workflow_step.output",
        "flue.turn.output", "flue.task.result", "output.audio.transcript", "response_data", "output",
        "gen_ai.output", "gen_ai.output_messages", "gen_ai.response", "gen_ai.completion_json", "llm.completion", "llm.response",
        "llm.output", "ai.output", "haystack.component.output", "langwatch.output", "openclaw.content.output_messages",
        "braintrust.output_json", "fi.llm.output", "confident.span.output", "honeyhive_outputs.messages", "honeyhive_outputs.content",
        "netra.entity.output", "agentops.task.output", "ag.data.outputs", "langchain.outputs", "llm.responses", "tfy.output",
        "monocle.output", "gen_ai.output.messages.otel", "response", "response.responses",
        "gen_ai.response.output", "agentmark.response.output", "agentmark.output", "agent.stream.result", "agent.generate.result",
        "agent.streamLegacy.result", "agent.generateLegacy.result",
    ],
    /// Text of the response, if it is separate from its tool calls.
    OutputText "output_messages" = [
        "gen_ai.response.text", "ai.response.text", "vercel.ai.response.text", "ai.result.text", "ai.response.object",
        "vercel.ai.response.object", "ai.result.object", "gen_ai.response.object", "lk.response.text", "lk.pii.response.text",
    ],
    /// Tool calls of the response, if they are separate from its text.
    OutputToolCalls "output_messages" = [
        "gen_ai.response.tool_calls", "ai.response.toolCalls", "vercel.ai.response.toolCalls", "ai.tool_calls", "ai.result.toolCalls",
        "lk.response.function_calls", "llm.function_call",
    ],
    /// Tools that the model could call.
    ToolDefinitions "tool_definitions" = [
        "gen_ai.tool.definitions", "gen_ai.request.available_tools", "ai.prompt.tools", "vercel.ai.prompt.tools", "ai.tools", "llm.tools",
        "gen_ai.request.tools", "lk.function_tools", "openclaw.content.tool_definitions",
    ],
    /// Input tokens.
    InputTokens "usage.input_tokens" = [
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens",
        "vercel.ai.usage.inputTokens", "vercel.ai.usage.promptTokens", "ai.prompt_tokens.used", "ai_prompt_tokens_used",
        "llm.token_count.prompt", "usage.prompt_tokens", "llm.usage.prompt_tokens", "ai.usage.tokens", "vercel.ai.usage.tokens",
        "gen_ai.response.prompt_tokens", "gen_ai.response.input_tokens", "gen_ai.request.prompt_tokens", "gen_ai.prompt_tokens",
        "gen_ai.input_tokens", "llm.prompt_tokens", "llm.input_tokens", "llm.tokens.prompt", "llm.tokens.input", "llm.tokens_input",
        "openclaw.tokens.input", "confident.llm.input_token_count", "honeyhive_metadata.prompt_tokens",
        "tfy.model.metric.input_tokens", "input_tokens", "prompt_tokens",
    ],
    /// Output tokens.
    OutputTokens "usage.output_tokens" = [
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens",
        "vercel.ai.usage.outputTokens", "vercel.ai.usage.completionTokens", "ai.completion_tokens.used",
        "ai_completion_tokens_used", "llm.token_count.completion", "usage.completion_tokens", "llm.usage.completion_tokens",
        "gen_ai.response.completion_tokens", "gen_ai.response.output_tokens", "gen_ai.completion_tokens", "gen_ai.output_tokens",
        "llm.completion_tokens", "llm.output_tokens", "llm.tokens.completion", "llm.tokens.output", "llm.tokens_output",
        "openclaw.tokens.output",
        "confident.llm.output_token_count", "honeyhive_metadata.completion_tokens", "tfy.model.metric.output_tokens",
        "output_tokens", "completion_tokens",
    ],
    /// Sum of input and output tokens.
    TotalTokens "usage.total_tokens" = [
        "ai.usage.totalTokens", "vercel.ai.usage.totalTokens", "gen_ai.usage.total_tokens", "llm.usage.total_tokens",
        "ai.total_tokens.used", "ai_total_tokens_used", "llm.token_count.total",
        "gen_ai.response.total_tokens", "gen_ai.total_tokens", "llm.total_tokens", "llm.tokens.total", "openclaw.tokens.total",
        "honeyhive_metadata.total_tokens", "total_tokens",
    ],
    /// Input tokens read from a cache.
    CacheRead "usage.cache_read_tokens" = [
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.input_tokens.cached", "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cached_tokens", "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens", "vercel.ai.usage.cachedInputTokens",
        "vercel.ai.usage.inputTokenDetails.cacheReadTokens", "gen_ai.usage.cached_input_tokens", "gen_ai.usage.input_cached_tokens",
        "gen_ai.usage.cached_tokens", "gen_ai.usage.prompt_tokens_details.cache_read", "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.input_tokens_details.cached_tokens", "gen_ai.usage.cache_read_tokens", "gen_ai.usage.prompt_cache_hit_tokens",
        "openclaw.tokens.cache_read",
    ],
    /// Input tokens written to a cache.
    CacheWrite "usage.cache_write_tokens" = [
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.details.cache_write_tokens",
        "llm.token_count.prompt_details.cache_write", "ai.usage.inputTokenDetails.cacheWriteTokens",
        "vercel.ai.usage.inputTokenDetails.cacheWriteTokens", "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cache_write", "gen_ai.usage.cache_creation_tokens", "gen_ai.usage.cache_write_tokens",
        "openclaw.tokens.cache_write",
    ],
    /// Reasoning tokens.
    Reasoning "usage.reasoning_tokens" = [
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.output_tokens.reasoning", "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens", "gen_ai.usage.details.thinking_tokens", "gen_ai.usage.details.thoughts_tokens",
        "llm.token_count.completion_details.reasoning", "ai.usage.reasoningTokens",
        "ai.usage.outputTokenDetails.reasoningTokens", "vercel.ai.usage.reasoningTokens",
        "vercel.ai.usage.outputTokenDetails.reasoningTokens", "gen_ai.usage.reasoning_output_tokens",
        "gen_ai.usage.completion_tokens_details.reasoning", "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "gen_ai.usage.output_tokens_details.reasoning_tokens",
        "gen_ai.usage.experimental.reasoning_tokens",
    ],
    /// Input tokens written to a cache for an hour, which are part of all cache writes.
    CacheWrite1h "usage.cache_write_tokens" = ["gen_ai.usage.details.ephemeral_1h_input_tokens"],
    /// Audio input tokens.
    InputAudio "usage.input_audio_tokens" = [
        "gen_ai.usage.audio.input_tokens", "gen_ai.usage.details.input_audio_tokens", "gen_ai.usage.details.audio_prompt_tokens",
        "llm.token_count.prompt_details.audio", "gen_ai.usage.input_audio_tokens",
    ],
    /// Audio output tokens.
    OutputAudio "usage.output_audio_tokens" = [
        "gen_ai.usage.audio.output_tokens", "gen_ai.usage.details.output_audio_tokens", "gen_ai.usage.details.audio_candidates_tokens",
        "llm.token_count.completion_details.audio", "gen_ai.usage.output_audio_tokens", "gen_ai.usage.completion_tokens_details.audio",
    ],
    /// Image input tokens.
    InputImage "usage.input_image_tokens" = ["gen_ai.usage.image.input_tokens", "gen_ai.usage.details.image_prompt_tokens"],
    /// Image output tokens.
    OutputImage "usage.output_image_tokens" = ["gen_ai.usage.image.output_tokens", "gen_ai.usage.details.image_candidates_tokens"],
    /// Number of web searches by the provider.
    WebSearches "usage.web_searches" = ["gen_ai.usage.details.web_search_requests"],
    /// Characters that were spoken or read aloud.
    Characters "usage.characters" = ["gen_ai.usage.characters", "gen_ai.usage.input_characters", "metrics.character_count"],
    /// Seconds of audio.
    AudioSeconds "usage.audio_seconds" = [
        "gen_ai.usage.audio_seconds", "gen_ai.usage.audio_duration", "gen_ai.usage.input_audio_seconds",
        "gen_ai.usage.details.audio_seconds",
    ],
    /// Units that a reranking is charged for.
    RerankUnits "usage.rerank_units" = ["gen_ai.usage.search_units", "gen_ai.usage.rerank_units"],
    /// Uses of the provider's own tools, one name per use: `web_search, web_search`.
    BuiltInTools "usage.web_searches" = ["openai.response.built_in_tools"],
    /// Metadata of the provider, including its own usage object. Versions of Vercel's SDK before 6 report caches only here.
    ProviderMetadata "usage" = ["ai.response.providerMetadata", "vercel.ai.response.providerMetadata"],
    /// Data without an attribute of its own in OpenInference, such as uses of the provider's own tools.
    Metadata "usage.web_searches" = ["metadata"],
    /// All counts in one object, whose shape determines their meaning.
    UsageDetails "usage" = [
        "langfuse.observation.usage_details", "langfuse.observation.usage", "langsmith.metadata.usage_metadata",
        "mlflow.chat.tokenUsage", "metadata.usage_object",
        "gen_ai.usage.raw", "gen_ai.response.usage", "gen_ai.usage", "llm.usage", "ai.usage", "lk.llm_metrics",
        "lk.realtime_model_metrics", "usage", "langwatch.metrics", "llm.token.counts", "token_counts",
    ],
    /// Cost as reported by the client.
    ClientCost "client_cost" = [
        "gen_ai.cost.total_tokens", "gen_ai.cost.total_cost", "gen_ai.usage.total_cost", "gen_ai.usage.cost", "ai.total_cost",
        "llm.cost.total", "operation.cost", "usage.totalCost", "costDetails.total", "cost_usd",
        "gen_ai.cost", "gen_ai.usage.cost_usd", "gen_ai.cost.total", "llm.cost", "llm.usage.cost", "litellm.response_cost",
        "response_cost", "gen_ai.cost.response_cost", "gen_ai.usage.cost.amount", "gen_ai.cost.amount", "litellm.cost.total",
        "litellm.response.cost", "usage.cost", "langwatch.span.cost", "braintrust.metrics.estimated_cost",
        "honeyhive_metadata.cost", "tfy.model.metric.cost_in_usd", "llm.cost_usd", "llm.cost.usd", "llm.usage.cost_usd",
        "litellm.cost",
    ],
    /// Cost of the input, from clients that send no total.
    ClientInputCost "client_cost" = [
        "llm.cost.prompt", "llm.cost.input", "gen_ai.usage.input_cost", "gen_ai.cost.input_tokens", "gen_ai.cost.input",
        "gen_ai.usage.cost.input", "litellm.cost.input",
    ],
    /// Cost of the output, from clients that send no total.
    ClientOutputCost "client_cost" = [
        "llm.cost.completion", "llm.cost.output", "gen_ai.usage.output_cost", "gen_ai.cost.output_tokens", "gen_ai.cost.output",
        "gen_ai.usage.cost.output", "litellm.cost.output",
    ],
    /// Costs in one object.
    CostDetails "client_cost" = [
        "langfuse.observation.cost_details", "mlflow.llm.cost", "gen_ai.usage.cost_details", "gen_ai.cost_details", "hidden_params",
        "metadata.hidden_params",
    ],
    /// Service tier of the call, which has its own prices.
    ServiceTier "service_tier" = [
        "gen_ai.openai.response.service_tier", "openai.response.service_tier", "gen_ai.response.service_tier",
        "anthropic.response.service_tier", "gen_ai.openai.request.service_tier", "openai.request.service_tier",
        "gen_ai.request.service_tier", "llm.invocation_parameters.service_tier", "anthropic.request.service_tier",
        "mlflow.openai.service_tier", "speed",
        "braintrust.metadata.service_tier",
    ],
    /// Whether the call is part of a batch, which has a price of its own.
    Batch "service_tier" = ["gen_ai.request.batch", "gen_ai.request.is_batch", "gen_ai.batch", "llm.request.batch", "llm.is_batch"],
    /// Parameters of the request in one object, including the service tier.
    Parameters "service_tier" = ["langfuse.observation.model.parameters", "llm.invocation_parameters", "model_config"],
    /// ID of the conversation.
    Session "session_id" = [
        "langfuse.session.id", "session.id", "session_id", "thread_id", "langgraph.thread_id", "gen_ai.conversation.id",
        "ai.telemetry.metadata.sessionId",
        "vercel.ai.telemetry.metadata.sessionId", "traceloop.association.properties.session_id", "langfuse.trace.session_id",
        "lmnr.association.properties.session_id", "gcp.vertex.agent.session_id", "genkit:sessionId", "gen_ai.session.id",
        "conversation.id", "mastra.metadata.sessionId", "mastra.metadata.threadId", "spring.ai.chat.client.conversation.id",
        "langwatch.thread.id", "langwatch.thread_id", "openclaw.sessionId", "wandb.thread_id", "confident.trace.thread_id",
        "confident.trace.session_id", "honeyhive.session_id", "honeyhive_session_id", "ai.settings.context.sessionId",
        "gen_ai.thread.id", "ai.telemetry.metadata.$ai_session_id",
    ],
    /// End user.
    User "user_id" = [
        "user.id", "langfuse.user.id", "ai.telemetry.metadata.userId", "vercel.ai.telemetry.metadata.userId", "enduser.id",
        "gen_ai.user", "llm.user", "traceloop.association.properties.user_id", "lmnr.association.properties.user_id", "user.email",
        "user.name", "mastra.metadata.userId", "mastra.metadata.resourceId", "gen_ai.user.id", "metadata.user_api_key_end_user_id",
        "user_id", "langwatch.user.id", "langwatch.user_id", "enduser.pseudo.id", "wandb.user_id", "confident.trace.user_id",
        "honeyhive_user_id", "session.user_id", "openai.user", "ai.settings.context.userId", "judgment.customer_id",
        "ai.telemetry.metadata.posthog_distinct_id",
    ],
    /// Deployment environment.
    Environment "environment" = [
        "sentry.environment", "deployment.environment.name", "deployment.environment", "langfuse.environment", "langfuse.trace.environment",
    ],
    /// Version of the program.
    Release "release" = ["sentry.release", "service.version", "langfuse.release", "langfuse.trace.release", "langfuse.version"],
    /// Program that reported the span.
    Service "service" = ["service.name"],
    /// SDK that reported the span.
    SdkName "sdk_name" = ["sentry.sdk.name", "telemetry.sdk.name"],
    /// Version of the SDK.
    SdkVersion "sdk_version" = ["sentry.sdk.version", "telemetry.sdk.version"],
    /// Name of the thread.
    ThreadName "thread" = ["thread.name"],
    /// Number of the thread.
    ThreadId "thread" = ["thread.id"],
    /// Name that the program gave to the pipeline.
    Pipeline "pipeline" = ["gen_ai.pipeline.name", "ai.pipeline.name", "gen_ai.workflow.name", "traceloop.workflow.name"],
    /// Name of the agent.
    Agent "agent" = [
        "gen_ai.agent.name", "agent.name", "agent_name", "gen_ai.function_id", "ai.telemetry.functionId",
        "vercel.ai.telemetry.functionId",
        "flue.task.agent", "voltagent.agent.name",
        "gcp.vertex.agent.name", "crewai.task.agent", "crewai.agent.role", "confident.agent.name",
    ],
    /// Name of the tool.
    Tool "tool" = [
        "gen_ai.tool.name", "tool.name", "ai.toolCall.name", "vercel.ai.toolCall.name", "mcp.tool.name", "tool_call.function.name",
        "ai.function_call", "spring.ai.tool.definition.name", "lk.function_tool.name",
        "flue.tool.name", "langchain.tool.name", "langfuse.observation.metadata.tool.name", "confident.tool.name",
    ],
    /// ID of the tool call.
    ToolCallId "tool_call_id" = [
        "gen_ai.tool.call.id", "ai.toolCall.id", "vercel.ai.toolCall.id", "tool_call.id", "tool.call.id", "lk.function_tool.id",
        "flue.tool.call_id",
        "langfuse.observation.metadata.tool.id",
    ],
    /// Arguments of the tool call.
    ToolArguments "input_messages" = [
        "gen_ai.tool.call.arguments", "gen_ai.tool.input", "ai.toolCall.args", "vercel.ai.toolCall.args", "tool.parameters",
        "tool_arguments", "tool_call.function.arguments", "tool.input", "mcp.tool.arguments", "gcp.vertex.agent.tool_call_args",
        "spring.ai.tool.call.arguments", "lk.function_tool.arguments", "lk.pii.function_tool.arguments",
        "flue.tool.arguments", "openclaw.content.tool_input",
    ],
    /// Result of the tool call.
    ToolResult "output_messages" = [
        "gen_ai.tool.call.result", "gen_ai.tool.output", "ai.toolCall.result", "vercel.ai.toolCall.result", "tool_response",
        "mcp.tool.result.content", "tool.output", "gen_ai.tool.message", "gcp.vertex.agent.tool_response",
        "spring.ai.tool.call.result", "lk.function_tool.output", "lk.pii.function_tool.output",
        "flue.tool.result", "gen_ai.tool.result.value", "code.function.return.value", "openclaw.content.tool_output",
        "gen_ai.event.content",
    ],
    /// Name of the prompt template.
    Prompt "prompt" = [
        "gen_ai.prompt.name", "traceloop.prompt.key", "langfuse.observation.prompt.name", "prompt.id", "mcp.prompt.name",
        "langfuse.prompt.name",
    ],
    /// Version of the prompt template.
    PromptVersion "prompt_version" = [
        "gen_ai.prompt.version", "traceloop.prompt.version", "llm.prompt_template.version", "langfuse.observation.prompt.version",
        "langfuse.prompt.version",
    ],
    /// Reasons why the model stopped.
    FinishReasons "finish_reasons" = [
        "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "ai.response.finishReason", "vercel.ai.response.finishReason",
        "ai.finish_reason", "llm.finish_reason", "llm.response.finish_reason", "llm.response.stop_reason",
        "finish_reason",
    ],
    /// Whether the response was streamed.
    Streaming "streaming" = [
        "gen_ai.response.streaming", "gen_ai.request.stream", "ai.streaming", "vercel.ai.streaming", "llm.is_streaming",
        "gen_ai.is_streaming",
    ],
    /// Seconds to the first chunk of the response.
    FirstTokenSeconds "time_to_first_token" = [
        "gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_token", "gen_ai.server.time_to_first_token",
        "lk.response.ttft",
        "gen_ai.client.operation.time_to_first_chunk", "gen_ai.client.operation.time_to_first_token", "gen_ai.time_to_first_chunk",
        "gen_ai.time_to_first_token", "gen_ai.server.ttft", "gen_ai.response.ttft", "gen_ai.latency.time_to_first_token",
        "llm.latency.time_to_first_token", "llm.time_to_first_token", "metrics.ttfb",
        "braintrust.metrics.time_to_first_token",
    ],
    /// Milliseconds to the first chunk of the response.
    FirstTokenMillis "time_to_first_token" = [
        "ai.response.msToFirstChunk", "vercel.ai.response.msToFirstChunk", "ai.stream.msToFirstChunk", "vercel.ai.stream.msToFirstChunk",
        "time_to_first_token_ms", "ttft_ms", "gen_ai.time_to_first_token_ms", "gen_ai.response.time_to_first_token_ms",
        "gen_ai.response.time_to_first_chunk_ms", "gen_ai.response.ttft_ms", "llm.time_to_first_token_ms",
    ],
    /// Time of the first chunk of the response.
    FirstTokenTime "time_to_first_token" = [
        "langfuse.observation.completion_start_time", "llm.content.completion.chunk", "gen_ai.content.completion.chunk",
        "First Token Stream Event",
        "mastra.completion_start_time",
    ],
    /// Status in text, from exporters that have no status of their own.
    StatusCode "status" = ["otel.status_code", "status.code"],
    /// Level of a span of Logfire as a number.
    LevelNumber "status" = ["logfire.level_num"],
    /// Error message.
    StatusMessage "status" = [
        "sentry.status.message", "status.message", "langfuse.observation.status_message", "exception.message",
        "otel.status_description", "error.message", "span.error.message",
    ],
    /// Error type.
    ErrorType "status" = ["error.type", "exception.type"],
    /// Severity: `ERROR`, `WARNING`, `DEFAULT`.
    Level "status" = ["langfuse.observation.level"],
    /// Whether the span succeeded. Only dialects have a name for it.
    Success "status" = [],
    /// Status code of the response.
    HttpStatus "status" = ["http.response.status_code", "http.status_code"],
    /// Method of the request to an MCP server.
    McpMethod "operation" = ["mcp.method.name", "rpc.method"],
    /// Query of a retrieval or reranking.
    RetrievalQuery "input_messages" = [
        "gen_ai.retrieval.query.text", "db.vector.query", "db.vector.query.content", "reranker.query",
        "gen_ai.retrieval.query", "retrieval.query", "gen_ai.memory.query.text", "aitf.rag.query",
    ],
    /// Documents that were found.
    RetrievalDocuments "output_messages" = [
        "gen_ai.retrieval.documents", "ai.ranking", "ai.documents", "db.vector.query.response.documents", "gen_ai.memory.records",
        "retrieval.documents", "retrieval.document", "langwatch.rag.contexts", "langwatch.rag_contexts", "confident.span.retrieval_context",
    ],
}

impl SpanField {
    /// Returns true for fields whose attribute is not stored in addition to the canonical field. These are texts that would be stored
    /// twice, and attributes that Sentry's SDKs send with every span and that Hinomi shows under its own names.
    pub(crate) const fn replaces_its_attribute(self) -> bool {
        use SpanField::*;
        matches!(
            self,
            System
                | Input
                | EmbeddingInput
                | Output
                | OutputText
                | OutputToolCalls
                | ToolDefinitions
                | ToolArguments
                | ToolResult
                | RetrievalQuery
                | RetrievalDocuments
                | Op
                | Origin
                | Environment
                | Release
                | SdkName
                | SdkVersion
                | ThreadName
                | ThreadId
        )
    }
}

/// Span events for the chunks of a streamed response, and the attributes that contain the time of the first chunk.
pub(crate) const CHUNK_EVENTS: &[&str] = &["llm.content.completion.chunk", "gen_ai.content.completion.chunk", "First Token Stream Event"];

/// Returns the best value among the attributes of a span for a field.
pub(crate) fn value_of(attributes: &Attributes, field: SpanField) -> Option<&Value> {
    field.names().iter().find_map(|name| attributes.get(*name).filter(|_| !is_out_of_place(name, attributes)))
}

/// Returns the field of an attribute name, and its rank among the names of that field: lower is better.
pub fn lookup(name: &str) -> Option<(SpanField, u8)> {
    FIELDS_BY_NAME.get(name).copied()
}

static FIELDS_BY_NAME: LazyLock<HashMap<&'static str, (SpanField, u8), BuildHasherDefault<AttributeNameHasher>>> = LazyLock::new(|| {
    let mut table = HashMap::default();
    for field in SpanField::ALL {
        for (rank, name) in field.names().iter().enumerate() {
            table.insert(*name, (*field, rank as u8));
        }
    }
    table
});
