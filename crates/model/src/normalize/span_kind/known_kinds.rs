//! Tables of the names that clients use for kinds of spans.

use crate::span::SpanType;

/// Kinds by exact op.
pub(super) const KINDS_BY_OP: &[(&str, SpanType)] = &[
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

/// Kinds by prefix of the op; the first match takes precedence.
pub(super) const KINDS_BY_OP_PREFIX: &[(&str, SpanType)] = &[
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

/// Kinds by operation: operations of the OpenTelemetry conventions, and others that clients send in the same attribute.
pub(super) const KINDS_BY_OPERATION: &[(&str, SpanType)] = &[
    ("chat", SpanType::Llm),
    ("text_completion", SpanType::Llm),
    ("completion", SpanType::Llm),
    ("completions", SpanType::Llm),
    ("chat.completions", SpanType::Llm),
    ("chat.completion", SpanType::Llm),
    ("chat_completions", SpanType::Llm),
    ("chat_completion", SpanType::Llm),
    ("generate", SpanType::Llm),
    ("generate_text", SpanType::Llm),
    ("generate_object", SpanType::Llm),
    ("stream_text", SpanType::Llm),
    ("stream_object", SpanType::Llm),
    ("converse", SpanType::Llm),
    ("inference", SpanType::Llm),
    ("generate_content", SpanType::Llm),
    ("responses", SpanType::Llm),
    ("messages", SpanType::Llm),
    ("embeddings", SpanType::Embedding),
    ("embedding", SpanType::Embedding),
    ("embed", SpanType::Embedding),
    ("embed_many", SpanType::Embedding),
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
    // OpenTelemetry's instrumentation of OpenAI's client for PHP.
    ("chat/create", SpanType::Llm),
    ("completions/create", SpanType::Llm),
    ("responses/create", SpanType::Llm),
    ("embeddings/create", SpanType::Embedding),
    // Datadog writes its own kinds as operations.
    ("llm", SpanType::Llm),
    ("agent", SpanType::Agent),
    ("tool", SpanType::Tool),
    ("task", SpanType::Chain),
    ("handoff", SpanType::Handoff),
    ("agent_handoff", SpanType::Handoff),
    ("retrieval", SpanType::Retriever),
    ("vector_db_retrieve", SpanType::Retriever),
    ("rerank", SpanType::Reranker),
    ("reranking", SpanType::Reranker),
    ("prompt", SpanType::Prompt),
    ("apply_guardrail", SpanType::Guardrail),
    ("run_guardrail", SpanType::Guardrail),
    ("guardrail", SpanType::Guardrail),
    ("guardrail_check", SpanType::Guardrail),
    ("evaluate", SpanType::Evaluator),
    ("evaluation", SpanType::Evaluator),
    ("judge", SpanType::Evaluator),
    // Requests about calls, which take no tokens themselves.
    ("count_tokens", SpanType::Other),
    ("token_count", SpanType::Other),
    ("tokenize", SpanType::Other),
    ("list_models", SpanType::Other),
    ("fetch_response", SpanType::Other),
];

/// Suffixes of operations on the memory of an agent.
pub(super) const MEMORY_OPERATIONS: &[&str] = &["_memory", "_memory_store"];

/// Operations of priced models other than language models. Their spans have the kind `other`.
pub(super) const OTHER_MODEL_OPERATIONS: &[&str] = &[
    "stt",
    "tts",
    "speech_to_text",
    "text_to_speech",
    "speech",
    "transcription",
    "transcribe",
    "audio",
    "image",
    "images",
    "image_generation",
    "generate_image",
    "generate_images",
    "image_edit",
    "image_variation",
    "text_to_image",
    "video_generation",
    "generate_video",
    "moderation",
    "moderations",
];

/// Kinds by a part of the model's name, for spans that name no operation. The first match decides.
pub(super) const MODEL_KINDS: &[(&str, SpanType)] = &[
    ("rerank", SpanType::Reranker),
    ("moderation", SpanType::Other),
    ("whisper", SpanType::Other),
    ("transcribe", SpanType::Other),
    ("-tts", SpanType::Other),
    ("tts-", SpanType::Other),
    ("dall-e", SpanType::Other),
    ("gpt-image", SpanType::Other),
    ("imagen-", SpanType::Other),
    ("stable-diffusion", SpanType::Other),
    ("embed", SpanType::Embedding),
    ("voyage-", SpanType::Embedding),
    ("bge-", SpanType::Embedding),
    ("gte-", SpanType::Embedding),
    ("e5-", SpanType::Embedding),
];

/// Attributes that imply a kind. Each entry has the prefix of the instrumentation scope (empty for any scope), the name of the attribute,
/// and the values that imply the kind (empty for any value).
pub(super) const MARKERS: &[(&str, &str, &[&str], SpanType)] = &[
    ("", "flue.task.id", &[], SpanType::Agent),
    ("", "flue.tool.name", &[], SpanType::Tool),
    ("", "flue.operation.id", &[], SpanType::Chain),
    // Internals of Codex, which repeat the counts of its log records.
    ("", "codex.usage.total_tokens", &[], SpanType::Other),
    ("guardrails", "type", &["guardrails/guard", "guardrails/guard/step/validator"], SpanType::Guardrail),
    ("guardrails", "type", &["guardrails/guard/step"], SpanType::Chain),
    ("", "aitf.rag.pipeline.stage", &["retrieve"], SpanType::Retriever),
    ("", "aitf.rag.pipeline.stage", &["rerank"], SpanType::Reranker),
    // NeMo Guardrails.
    ("", "rail.type", &["input", "output", "retrieval", "tool_input", "tool_output"], SpanType::Guardrail),
    // Langtrace says "llm" of embeddings too.
    ("langtrace", "langtrace.service.type", &["framework"], SpanType::Chain),
    ("livekit", "lk.generation_id", &[], SpanType::Agent),
    // Speech in and out has a model, and is no call of a language model.
    ("livekit", "lk.tts.label", &[], SpanType::Other),
    ("livekit", "lk.tts.streaming", &[], SpanType::Other),
    ("livekit", "lk.tts_metrics", &[], SpanType::Other),
    ("livekit", "lk.transcript_confidence", &[], SpanType::Other),
    ("livekit", "lk.user_transcript", &[], SpanType::Other),
    ("livekit", "lk.pii.user_transcript", &[], SpanType::Other),
];

/// Kinds from which nothing can be inferred, in lower case.
pub(super) const NEUTRAL_KINDS: &[&str] = &[
    "span",
    "default",
    "unknown",
    "custom",
    "internal",
    "client",
    "server",
    "action",
    "ai_client",
    "event",
    "other",
    "generic",
    // Mastra's word for a call and for the step around one: the operation tells.
    "model_generation",
];

/// Kinds as OpenInference, Langfuse, OpenLLMetry and Laminar name them, in lower case.
pub(super) const KINDS_BY_SPAN_KIND: &[(&str, SpanType)] = &[
    ("llm", SpanType::Llm),
    ("generation", SpanType::Llm),
    ("llm_request", SpanType::Llm),
    ("chat_model", SpanType::Llm),
    ("embedding", SpanType::Embedding),
    ("embedder", SpanType::Embedding),
    ("model", SpanType::Llm),
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
    ("flow", SpanType::Chain),
    ("util", SpanType::Chain),
    ("prompt", SpanType::Prompt),
    // Spring AI.
    ("chat_client", SpanType::Chain),
    ("advisor", SpanType::Chain),
    ("tool_call", SpanType::Tool),
    // Respan.
    ("chat", SpanType::Llm),
    ("completion", SpanType::Llm),
    ("response", SpanType::Llm),
    ("text", SpanType::Llm),
    // Braintrust.
    ("score", SpanType::Evaluator),
    // Monocle.
    ("inference", SpanType::Llm),
    ("inference.framework", SpanType::Llm),
    ("agentic.invocation", SpanType::Agent),
    ("agentic.tool.invocation", SpanType::Tool),
    ("agentic.turn", SpanType::Chain),
    // Datadog, Agenta, AgentOps.
    ("retrieval", SpanType::Retriever),
    ("query", SpanType::Retriever),
    ("rerank", SpanType::Reranker),
    ("session", SpanType::Chain),
    // LangWatch.
    ("rag", SpanType::Retriever),
    ("evaluation", SpanType::Evaluator),
    // Mastra.
    ("agent_run", SpanType::Agent),
    ("workflow_run", SpanType::Chain),
    ("workflow_step", SpanType::Chain),
    ("mcp_tool_call", SpanType::Tool),
    // The names of `trulens` and Snowflake.
    ("record_root", SpanType::Chain),
    ("eval_root", SpanType::Evaluator),
    ("tool_invocation", SpanType::Tool),
    ("agent_invocation", SpanType::Agent),
    ("reranking", SpanType::Reranker),
    // CozeLoop.
    ("vector_retriever", SpanType::Retriever),
    ("plugin", SpanType::Tool),
    // VoltAgent.
    ("scorer", SpanType::Evaluator),
    // Home-made words.
    ("llm_call", SpanType::Llm),
    ("llmcall", SpanType::Llm),
    ("chat_completion", SpanType::Llm),
    ("embeddings", SpanType::Embedding),
    ("function_call", SpanType::Tool),
    ("guard", SpanType::Guardrail),
    ("eval", SpanType::Evaluator),
    ("pipeline", SpanType::Chain),
];

/// Kinds by instrumentation scope and whole name of a span, for clients that send the kind nowhere else.
pub(super) const KINDS_BY_NAME: &[(&str, &str, SpanType)] =
    &[("openclaw", "openclaw.run", SpanType::Agent), ("pydantic-ai", "agent run", SpanType::Agent)];

/// Kinds by the last word of a component's class name, for frameworks that send no kind. The first match decides.
pub(super) const KINDS_BY_CLASS: &[(&str, SpanType)] = &[
    ("ImageGenerator", SpanType::Other),
    ("Generator", SpanType::Llm),
    ("Embedder", SpanType::Embedding),
    ("Retriever", SpanType::Retriever),
    ("Ranker", SpanType::Reranker),
    ("ToolInvoker", SpanType::Tool),
];

/// Suffixes of the names of spans that look like calls of a model but are not, such as preparations, or sums of the calls of a run.
pub(super) const NON_CALL_SUFFIXES: &[&str] = &["._prepare_chat_with_tools", "openclaw.model.usage"];

/// Vercel's functions that make one call of a model. The functions around them repeat the usage of this call.
pub(super) const KINDS_BY_VERCEL_FUNCTION: &[(&str, SpanType)] =
    &[(".doGenerate", SpanType::Llm), (".doStream", SpanType::Llm), (".doEmbed", SpanType::Embedding), (".doRerank", SpanType::Reranker)];

/// Prefixes of Vercel's functions for pictures and speech, which do not call language models.
pub(super) const VERCEL_MEDIA: &[&str] = &["ai.generateImage", "ai.generateSpeech", "ai.generateVideo", "ai.transcribe"];
