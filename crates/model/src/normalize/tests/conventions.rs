//! Checks that every attribute name of each convention is recognized: one table, with a row for each field and a column for each family.

use super::*;
use crate::span::ChatMessage;

/// Checks that each set of attributes results in the same value of a field. Adds the attributes of a call where the field needs one.
fn all(field: impl Fn(&Span) -> Value, expected: Value, spellings: &[Value]) {
    for spelling in spellings {
        let mut attributes = json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"});
        let own = spelling.as_object().unwrap().clone();
        if own.keys().any(|name| KIND_NAMES.iter().any(|kind| name.starts_with(kind))) {
            attributes = json!({});
        }
        attributes.as_object_mut().unwrap().extend(own);
        let span = map("", attributes);
        assert_eq!(field(&span), expected, "{spelling}");
    }
}

/// Attributes that determine the kind of a span, so that none are added.
const KIND_NAMES: &[&str] = &[
    "gen_ai.operation.name",
    "llm.request.type",
    "traceloop.span.kind",
    "openinference.span.kind",
    "ai.operationId",
    "operation.name",
    "langfuse.observation.type",
    "lmnr.span.type",
    "genkit:",
    "langsmith.span.kind",
    "mlflow.spanType",
    "gen_ai.tool.name",
    "tool.name",
    "ai.toolCall",
    "mcp.",
    "retrieval.",
    "reranker.",
    "gen_ai.retrieval.",
    "embedding.",
];

/// Returns the texts of messages, and the names of tool calls in them.
fn said(messages: &[ChatMessage]) -> Value {
    let part = |part: &MessagePart| match part {
        MessagePart::Text { text } | MessagePart::Reasoning { text } => text.clone(),
        MessagePart::ToolCall { name, arguments, .. } => format!("{name}({arguments})"),
        MessagePart::ToolResult { result, .. } => result.clone(),
        MessagePart::Media { content, .. } => content.clone().unwrap_or_default(),
        MessagePart::Other { content } => content.clone(),
    };
    messages.iter().map(|message| json!([message.role, message.parts.iter().map(part).collect::<String>()])).collect()
}

#[test]
fn kinds() {
    let cases = [
        ("llm", json!({"gen_ai.operation.name": "generate_content"})),
        ("llm", json!({"llm.request.type": "chat", "gen_ai.request.model": "gpt-4o"})),
        ("llm", json!({"openinference.span.kind": "LLM"})),
        ("llm", json!({"ai.operationId": "ai.streamText.doStream"})),
        ("llm", json!({"operation.name": "ai.generateText.doGenerate my-function"})),
        ("llm", json!({"langfuse.observation.type": "generation"})),
        ("llm", json!({"lmnr.span.type": "LLM"})),
        ("llm", json!({"langsmith.span.kind": "llm"})),
        ("llm", json!({"mlflow.spanType": "\"CHAT_MODEL\""})),
        ("embedding", json!({"gen_ai.operation.name": "embeddings"})),
        ("embedding", json!({"openinference.span.kind": "EMBEDDING"})),
        ("embedding", json!({"langfuse.observation.type": "embedding"})),
        ("tool", json!({"gen_ai.operation.name": "execute_tool"})),
        ("tool", json!({"traceloop.span.kind": "tool"})),
        ("tool", json!({"openinference.span.kind": "TOOL"})),
        ("tool", json!({"genkit:metadata:subtype": "tool"})),
        ("tool", json!({"gen_ai.tool.call.id": "c1", "gen_ai.operation.name": "tool_call"})),
        ("agent", json!({"gen_ai.operation.name": "invoke_agent"})),
        ("agent", json!({"gen_ai.operation.name": "create_agent"})),
        ("agent", json!({"gen_ai.operation.name": "plan"})),
        ("agent", json!({"traceloop.span.kind": "agent"})),
        ("agent", json!({"langfuse.observation.type": "agent"})),
        ("chain", json!({"gen_ai.operation.name": "invoke_workflow"})),
        ("chain", json!({"traceloop.span.kind": "workflow"})),
        ("chain", json!({"traceloop.span.kind": "task"})),
        ("chain", json!({"openinference.span.kind": "CHAIN"})),
        ("retriever", json!({"gen_ai.operation.name": "retrieval"})),
        ("retriever", json!({"openinference.span.kind": "RETRIEVER"})),
        ("reranker", json!({"openinference.span.kind": "RERANKER"})),
        ("guardrail", json!({"openinference.span.kind": "GUARDRAIL"})),
        ("evaluator", json!({"langfuse.observation.type": "evaluator"})),
        ("prompt", json!({"openinference.span.kind": "PROMPT"})),
    ];
    for (kind, attributes) in cases {
        assert_eq!(map("", attributes.clone()).kind.as_str(), kind, "{attributes}");
    }
}

#[test]
fn providers_and_models() {
    let provider = |span: &Span| json!(span.provider);
    all(
        provider,
        json!("anthropic"),
        &[
            json!({"gen_ai.provider.name": "anthropic"}),
            json!({"gen_ai.system": "Anthropic"}),
            json!({"llm.provider": "anthropic"}),
            json!({"llm.system": "anthropic"}),
            json!({"ai.model.provider": "anthropic.messages"}),
        ],
    );
    all(provider, json!("aws.bedrock"), &[json!({"gen_ai.system": "AWS"}), json!({"gen_ai.provider.name": "aws.bedrock"})]);
    all(provider, json!("google"), &[json!({"gen_ai.provider.name": "gcp.gemini"}), json!({"gen_ai.system": "gemini"})]);
    let asked = |name: &str, of_kind: Value| {
        let mut attributes = json!({ name: "m-1" });
        attributes.as_object_mut().unwrap().extend(of_kind.as_object().unwrap().clone());
        assert_eq!(map("", attributes).request_model.as_deref(), Some("m-1"), "{name}");
    };
    for name in [
        "gen_ai.request.model",
        "llm.model_name",
        "llm.request.model_name",
        "ai.model.id",
        "langfuse.observation.model.name",
        "aisdk.model.id",
    ] {
        asked(name, json!({"gen_ai.operation.name": "chat"}));
    }
    asked("embedding.model_name", json!({"openinference.span.kind": "EMBEDDING"}));
    asked("reranker.model_name", json!({"openinference.span.kind": "RERANKER"}));
    let answered = |span: &Span| json!(span.response_model);
    all(
        answered,
        json!("m-2"),
        &["gen_ai.response.model", "llm.response.model_name", "ai.response.model"].map(|name| json!({ name: "m-2" })),
    );
}

#[test]
fn inputs_and_outputs() {
    let asked = |span: &Span| said(&span.input_messages);
    all(
        asked,
        json!([["system", "Be brief."], ["user", "Hi"]]),
        &[
            json!({"gen_ai.input.messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Hi\"}]}]",
                   "gen_ai.system_instructions": "[{\"type\":\"text\",\"content\":\"Be brief.\"}]"}),
            json!({"gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.", "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "Hi"}),
            json!({"llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "Be brief.",
                   "llm.input_messages.1.message.role": "user", "llm.input_messages.1.message.contents.0.message_content.type": "text",
                   "llm.input_messages.1.message.contents.0.message_content.text": "Hi"}),
            json!({"ai.prompt.messages": "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]"}),
            json!({"ai.prompt": "{\"system\":\"Be brief.\",\"prompt\":\"Hi\"}"}),
            json!({"langfuse.observation.input": "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"}]"}),
            json!({"pydantic_ai.all_messages": "[{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"Be brief.\"}]},{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Hi\"}]}]"}),
            json!({"all_messages_events": "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"}]"}),
            json!({"events": "[{\"event.name\":\"gen_ai.system.message\",\"role\":\"system\",\"content\":\"Be brief.\"},{\"event.name\":\"gen_ai.user.message\",\"role\":\"user\",\"content\":\"Hi\"}]"}),
            json!({"gen_ai.request.messages": "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"}]"}),
            json!({"input.value": "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"}]}", "input.mime_type": "application/json"}),
            json!({"mlflow.spanInputs": "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"Hi\"}]}"}),
            json!({"gcp.vertex.agent.llm_request": "{\"system_instruction\":\"Be brief.\",\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}]}"}),
            json!({"gen_ai.prompt": "{\"messages\":[[{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain\",\"schema\",\"messages\",\"SystemMessage\"],\"kwargs\":{\"content\":\"Be brief.\",\"type\":\"system\"}},{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain\",\"schema\",\"messages\",\"HumanMessage\"],\"kwargs\":{\"content\":\"Hi\",\"type\":\"human\"}}]]}"}),
        ],
    );
    all(
        asked,
        json!([["user", "Hi"]]),
        &[json!({"llm.prompts.0.prompt.text": "Hi"}), json!({"gen_ai.content.prompt": "Hi"}), json!({"traceloop.entity.input": "Hi"})],
    );
    all(
        asked,
        json!([["user", "Hi"]]),
        &[
            json!({"traceloop.span.kind": "workflow", "traceloop.entity.input": "{\"inputs\":{\"messages\":[[\"user\",\"Hi\"]]},\"tags\":[],\"kwargs\":{}}"}),
        ],
    );
    all(
        asked,
        json!([["user", "one"], ["user", "two"]]),
        &[
            json!({"gen_ai.operation.name": "embeddings", "gen_ai.embeddings.input": "[\"one\",\"two\"]"}),
            json!({"openinference.span.kind": "EMBEDDING", "embedding.embeddings.0.embedding.text": "one", "embedding.embeddings.1.embedding.text": "two"}),
            json!({"ai.operationId": "ai.embedMany.doEmbed", "ai.values": ["one", "two"]}),
        ],
    );
    let answered = |span: &Span| said(&span.output_messages);
    all(
        answered,
        json!([["assistant", "Hello"]]),
        &[
            json!({"gen_ai.output.messages": "[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"Hello\"}],\"finish_reason\":\"stop\"}]"}),
            json!({"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Hello"}),
            json!({"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Hello"}),
            json!({"llm.choices.0.completion.text": "Hello"}),
            json!({"ai.response.text": "Hello"}),
            json!({"ai.result.text": "Hello"}),
            json!({"langfuse.observation.output": "{\"role\":\"assistant\",\"content\":\"Hello\"}"}),
            json!({"output.value": "Hello"}),
            json!({"gen_ai.response.text": "[\"Hello\"]"}),
            json!({"traceloop.entity.output": "Hello"}),
            json!({"final_result": "Hello"}),
            json!({"events": "[{\"event.name\":\"gen_ai.choice\",\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\"}}]"}),
            json!({"gen_ai.completion": "{\"generations\":[[{\"text\":\"Hello\",\"generation_info\":{},\"type\":\"ChatGeneration\",\"message\":{\"lc\":1,\"type\":\"constructor\",\"id\":[\"langchain\",\"schema\",\"messages\",\"AIMessage\"],\"kwargs\":{\"content\":\"Hello\",\"type\":\"ai\"}}}]]}"}),
        ],
    );
    all(
        answered,
        json!([["assistant", "f({\"a\":1})"]]),
        &[
            json!({"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.tool_calls.0.name": "f", "gen_ai.completion.0.tool_calls.0.arguments": "{\"a\":1}"}),
            json!({"ai.response.toolCalls": "[{\"toolCallId\":\"c\",\"toolName\":\"f\",\"input\":{\"a\":1}}]"}),
            json!({"gen_ai.response.tool_calls": "[{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}]"}),
            json!({"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.contents.0.message_content.type": "tool_use",
                   "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
                   "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{\"a\":1}"}),
        ],
    );
    all(
        answered,
        json!([["tool", "doc one"], ["tool", "doc two"]]),
        &[
            json!({"openinference.span.kind": "RETRIEVER", "retrieval.documents.0.document.content": "doc one", "retrieval.documents.1.document.content": "doc two"}),
            json!({"openinference.span.kind": "RERANKER", "reranker.output_documents.0.document.content": "doc one", "reranker.output_documents.1.document.content": "doc two",
                   "reranker.query": "q"}),
        ],
    );
}

#[test]
fn tokens() {
    let input = |span: &Span| json!([span.usage.input_tokens(), span.usage.cache_read, span.usage.cache_write_tokens()]);
    all(
        input,
        json!([100, 40, 10]),
        &[
            json!({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 40, "gen_ai.usage.cache_write.input_tokens": 10}),
            json!({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 40, "gen_ai.usage.cache_creation.input_tokens": 10}),
            json!({"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.cache_read_input_tokens": 40, "gen_ai.usage.cache_creation_input_tokens": 10}),
            json!({"gen_ai.usage.input_tokens": "100", "gen_ai.usage.details.cache_read_tokens": "40", "gen_ai.usage.details.cache_write_tokens": 10.0}),
            json!({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.input_tokens.cached": 40, "gen_ai.usage.input_tokens.cache_write": 10}),
            json!({"llm.token_count.prompt": 100, "llm.token_count.prompt_details.cache_read": 40, "llm.token_count.prompt_details.cache_write": 10}),
            json!({"ai.usage.inputTokens": 100, "ai.usage.cachedInputTokens": 40, "ai.usage.inputTokenDetails.cacheWriteTokens": 10}),
            json!({"ai.usage.promptTokens": 100, "ai.usage.inputTokenDetails.cacheReadTokens": 40, "ai.usage.inputTokenDetails.cacheWriteTokens": 10}),
            json!({"langfuse.observation.usage_details": "{\"input\":50,\"input_cached_tokens\":40,\"input_cache_creation\":10,\"output\":1}"}),
            json!({"langsmith.metadata.usage_metadata": "{\"input_tokens\":100,\"output_tokens\":1,\"input_token_details\":{\"cache_read\":40,\"cache_creation\":10}}"}),
            json!({"langfuse.observation.usage_details": "{\"input\":50,\"input_cached_tokens\":40,\"input_cache_creation_5m\":4,\"input_cache_creation_1h\":6}"}),
        ],
    );
    let output = |span: &Span| json!([span.usage.output_tokens(), span.usage.reasoning]);
    all(
        output,
        json!([30, 20]),
        &[
            json!({"gen_ai.usage.output_tokens": 30, "gen_ai.usage.reasoning.output_tokens": 20}),
            json!({"gen_ai.usage.completion_tokens": 30, "gen_ai.usage.reasoning_tokens": 20}),
            json!({"llm.token_count.completion": 30, "llm.token_count.completion_details.reasoning": 20}),
            json!({"ai.usage.outputTokens": 30, "ai.usage.reasoningTokens": 20}),
            json!({"langfuse.observation.usage_details": {"output": 10, "output_reasoning_tokens": 20}}),
            json!({"gen_ai.usage.output_tokens": 30, "gen_ai.usage.output_tokens.reasoning": 20}),
            json!({"gen_ai.usage.output_tokens": 30, "gen_ai.usage.details.thoughts_tokens": 20}),
        ],
    );
    let sound = |span: &Span| json!([span.usage.input_audio, span.usage.output_audio]);
    all(
        sound,
        json!([5, 6]),
        &[
            json!({"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 9, "gen_ai.usage.audio.input_tokens": 5, "gen_ai.usage.audio.output_tokens": 6}),
            json!({"llm.token_count.prompt": 9, "llm.token_count.completion": 9, "llm.token_count.prompt_details.audio": 5, "llm.token_count.completion_details.audio": 6}),
            json!({"langfuse.observation.usage_details": {"input": 4, "output": 3, "input_audio": 5, "output_audio": 6}}),
        ],
    );
    let total = |span: &Span| json!(span.usage.total);
    all(
        total,
        json!(7),
        &["llm.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens", "gen_ai.usage.total_tokens"]
            .map(|name| json!({ name: 7 })),
    );
    all(total, json!(7), &[json!({"mlflow.chat.tokenUsage": "{\"input_tokens\": 3, \"output_tokens\": 4, \"total_tokens\": 7}"})]);
    let cost = |span: &Span| json!(span.client_cost.map(Usd::dollars));
    for name in [
        "gen_ai.usage.cost",
        "llm.cost.total",
        "gen_ai.cost.total_tokens",
        "gen_ai.cost.total_cost",
        "usage.totalCost",
        "costDetails.total",
        "operation.cost",
    ] {
        all(cost, json!(0.5), &[json!({ name: 0.5 })]);
    }
    all(cost, json!(0.5), &[json!({"langfuse.observation.cost_details": "{\"total\": 0.5}"})]);
}

#[test]
fn users_sessions_and_names() {
    let session = |span: &Span| json!(span.session_id);
    for name in [
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "ai.telemetry.metadata.sessionId",
        "ai.settings.context.sessionId",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "lmnr.association.properties.session_id",
        "langsmith.metadata.session_id",
        "gcp.vertex.agent.session_id",
        "genkit:sessionId",
    ] {
        all(session, json!("s"), &[json!({ name: "s", "gen_ai.operation.name": "chat" })]);
    }
    let user = |span: &Span| json!(span.user_id);
    for name in [
        "user.id",
        "langfuse.user.id",
        "ai.telemetry.metadata.userId",
        "ai.settings.context.userId",
        "gen_ai.user",
        "llm.user",
        "traceloop.association.properties.user_id",
        "lmnr.association.properties.user_id",
        "langsmith.metadata.user_id",
    ] {
        all(user, json!("u"), &[json!({ name: "u" })]);
    }
    let environment = |span: &Span| json!(span.environment);
    for name in ["deployment.environment.name", "deployment.environment", "langfuse.environment", "sentry.environment"] {
        all(environment, json!("staging"), &[json!({ name: "staging" })]);
    }
    let release = |span: &Span| json!(span.release);
    for name in ["service.version", "langfuse.release", "langfuse.trace.release", "sentry.release"] {
        all(release, json!("1.2"), &[json!({ name: "1.2" })]);
    }
    let prompt = |span: &Span| json!([span.prompt, span.prompt_version]);
    all(
        prompt,
        json!(["greeting", "3"]),
        &[
            json!({"gen_ai.prompt.name": "greeting", "gen_ai.prompt.version": "3"}),
            json!({"traceloop.prompt.key": "greeting", "traceloop.prompt.version": 3}),
            json!({"langfuse.observation.prompt.name": "greeting", "langfuse.observation.prompt.version": 3}),
            json!({"prompt.id": "greeting", "llm.prompt_template.version": "3"}),
            json!({"ai.telemetry.metadata.langfusePrompt": "{\"name\":\"greeting\",\"version\":3}"}),
        ],
    );
    let agent = |span: &Span| json!(span.agent);
    all(agent, json!("a"), &["gen_ai.agent.name", "agent.name", "agent_name", "ai.telemetry.functionId"].map(|name| json!({ name: "a" })));
    all(agent, json!("a span"), &[json!({"langfuse.observation.type": "agent"}), json!({"openinference.span.kind": "AGENT"})]);
    all(agent, json!("planner"), &[json!({"traceloop.span.kind": "agent", "traceloop.entity.name": "planner"})]);
    let pipeline = |span: &Span| json!(span.pipeline);
    all(
        pipeline,
        json!("p"),
        &["gen_ai.pipeline.name", "gen_ai.workflow.name", "traceloop.workflow.name"].map(|name| json!({ name: "p" })),
    );
}

#[test]
fn tools() {
    let tool = |span: &Span| json!([span.tool, said(&span.input_messages), said(&span.output_messages)]);
    all(
        tool,
        json!(["f", [["assistant", "f({\"a\":1})"]], [["tool", "18"]]]),
        &[
            json!({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.arguments": "{\"a\":1}", "gen_ai.tool.call.result": "18"}),
            json!({"gen_ai.tool.name": "f", "gen_ai.tool.input": "{\"a\":1}", "gen_ai.tool.output": "18"}),
            json!({"gen_ai.tool.name": "f", "tool_arguments": "{\"a\":1}", "tool_response": "18"}),
            json!({"gen_ai.tool.name": "f", "gcp.vertex.agent.tool_call_args": "{\"a\":1}", "gcp.vertex.agent.tool_response": "18"}),
            json!({"ai.operationId": "ai.toolCall", "ai.toolCall.name": "f", "ai.toolCall.args": "{\"a\":1}", "ai.toolCall.result": "18"}),
            json!({"mcp.method.name": "tools/call", "mcp.tool.name": "f", "mcp.request.argument.a": 1, "mcp.tool.result.content": "18"}),
        ],
    );
    let openinference =
        map("", json!({"openinference.span.kind": "TOOL", "tool.name": "f", "tool.parameters": "{\"a\":1}", "input.value": "{\"a\":1}"}));
    assert_eq!(said(&openinference.input_messages), json!([["assistant", "f({\"a\":1})"]]), "what it was given stands once");
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}}).to_string();
    let llama =
        map("", json!({"openinference.span.kind": "TOOL", "tool.name": "f", "tool.parameters": schema, "input.value": "{\"a\":1}"}));
    assert_eq!(said(&llama.input_messages), json!([["user", "{\"a\":1}"]]), "what it takes is not what it was given");
    let defined = |span: &Span| json!(span.tool_definitions.is_some());
    all(
        defined,
        json!(true),
        &[
            json!({"gen_ai.tool.definitions": "[{\"name\":\"f\"}]"}),
            json!({"llm.request.functions.0.name": "f", "llm.request.functions.0.parameters": "{}"}),
            json!({"llm.tools.0.tool.json_schema": "{\"name\":\"f\"}"}),
            json!({"ai.prompt.tools": ["{\"name\":\"f\"}"]}),
        ],
    );
}

#[test]
fn statuses_and_errors() {
    let reasons = |span: &Span| json!(span.finish_reasons);
    all(
        reasons,
        json!(["stop"]),
        &[
            json!({"gen_ai.response.finish_reasons": ["stop"]}),
            json!({"gen_ai.response.finish_reason": "stop"}),
            json!({"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.finish_reason": "stop"}),
            json!({"llm.response.stop_reason": "stop"}),
            json!({"llm.finish_reason": "stop"}),
            json!({"ai.response.finishReason": "stop"}),
        ],
    );
    let first = |span: &Span| json!(span.time_to_first_token_us);
    all(
        first,
        json!(250_000),
        &[
            json!({"gen_ai.response.time_to_first_chunk": 0.25}),
            json!({"gen_ai.response.time_to_first_token": 0.25}),
            json!({"gen_ai.server.time_to_first_token": 250}),
            json!({"ai.response.msToFirstChunk": 250}),
            json!({"ai.stream.msToFirstChunk": 250}),
            json!({"langfuse.observation.completion_start_time": "\"2026-11-23T07:56:57.250Z\""}),
            json!({"llm.content.completion.chunk": "1795420617.250000"}),
        ],
    );
    let failed = map(
        "",
        json!({"langfuse.observation.type": "generation", "langfuse.observation.level": "ERROR", "langfuse.observation.status_message": "refused"}),
    );
    assert_eq!((failed.status, failed.status_detail.as_deref()), (SpanStatus::Error, Some("refused")));
    let langsmith = RawSpan { status: RawStatus::Ok, ..raw("", json!({"langsmith.span.kind": "llm", "exception.type": "E"})) };
    assert_eq!(canonical_span(langsmith, PriceBook::embedded()).status, SpanStatus::Error, "an exception, and nothing came of it");
}

#[test]
fn client_cost_is_the_sum_of_input_and_output() {
    let cost = |more: Value| map("gen_ai.chat", more).client_cost.map(Usd::dollars);
    assert_eq!(cost(json!({ "llm.cost.prompt": 0.5, "llm.cost.completion": 0.25 })), Some(0.75));
    assert_eq!(cost(json!({ "gen_ai.usage.input_cost": "0.5", "gen_ai.usage.output_cost": "0.25" })), Some(0.75));
    assert_eq!(cost(json!({ "gen_ai.usage.cost": 0.125, "gen_ai.usage.input_cost": 0.5, "gen_ai.usage.output_cost": 0.25 })), Some(0.125));
    assert_eq!(cost(json!({ "llm.cost.prompt": 0.5 })), None);
}

proptest! {
    /// Any value in a recognized attribute results in a span, which never has more tokens than were sent.
    #[test]
    fn strange_values_are_tolerated(values in proptest::collection::vec((any::<proptest::sample::Index>(), strange()), 1..12)) {
        let names: Vec<&str> = SpanField::ALL.iter().flat_map(|field| field.names()).copied().collect();
        let attributes = values.into_iter().map(|(index, value)| ((*index.get(&names)).to_owned(), value)).collect();
        let mut span = map("", Value::Object(attributes));
        for count in [span.usage.input_tokens(), span.usage.output_tokens(), span.usage.cache_read] {
            prop_assert!(count.is_none_or(|count| count < 100_000_000_000_000_000));
        }
        prop_assert!(span.client_cost.is_none_or(|cost| cost >= Usd::ZERO));
        prop_assert!(span.tags.len() <= 100);
        // Known only during ingestion, not stored.
        span.texts_cut = false;
        let stored = serde_json::to_string(&span).unwrap();
        prop_assert_eq!(serde_json::from_str::<Span>(&stored).unwrap(), span);
    }
}

/// Values that clients should not send, but some do.
fn strange() -> impl Strategy<Value = Value> {
    let plain = vec![
        json!(null),
        json!(-5),
        json!(1e300),
        json!(u64::MAX),
        json!("26"),
        json!("-26"),
        json!("NaN"),
        json!("Infinity"),
        json!(true),
        json!(""),
        json!("None"),
        json!("{'role': 'user', 'content': 'Hi'}"),
        json!("[{\"role\": \"user\", \"con"),
        json!([[[[[]]]]]),
        json!([["user", "Hi"]]),
        json!({"lc": 1, "kwargs": {"lc": 1, "kwargs": {}}}),
        json!({"kwargs": {}, "inputs": {"kwargs": {}, "inputs": "x"}}),
        json!("2026-13-45T99:99:99Z"),
        json!({"data": {"data": {}}, "type": "human"}),
        json!("9999999999999999999999"),
        json!("n".repeat(4_000)),
        json!("\u{0}\u{202e}"),
    ];
    prop_oneof![
        proptest::sample::select(plain),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,40}".prop_map(|text| json!(text)),
    ]
}

#[test]
fn thousands_of_attributes() {
    let mut attributes = serde_json::Map::new();
    for n in 0..5_000 {
        attributes.insert(format!("gen_ai.prompt.{n}.content"), json!("Hi"));
        attributes.insert(format!("{}.{n}", "x".repeat(4_000)), json!(n));
        attributes.insert(format!("traceloop.association.properties.{n}"), json!(n));
    }
    attributes.insert("llm.request.type".into(), json!("chat"));
    let span = map("", Value::Object(attributes));
    assert_eq!((span.kind, span.input_messages.len(), span.tags.len()), (SpanType::Llm, 5_000, 100));
}

#[test]
fn accounting_spans_beside_calls_are_no_calls() {
    let span = map(
        "",
        json!({
            "ag2.span.type": "usage", "ag2.usage.kind": "model_call", "gen_ai.response.model": "gpt-4.1", "gen_ai.provider.name": "openai",
            "gen_ai.usage.input_tokens": 367, "gen_ai.usage.output_tokens": 47,
        }),
    );
    assert_eq!((span.is_call(), span.counted), (false, false));
}
