//! Attribute names of single clients, according to their source code and documentation.

use serde_json::json;

use super::map;
use crate::money::Usd;
use crate::span::{MessagePart, SpanType};

#[test]
fn cache_and_reasoning_tokens_are_read_under_every_name() {
    for (client, cached, thought) in [
        ("OpenLIT", "gen_ai.usage.prompt_tokens_details.cache_read", "gen_ai.usage.completion_tokens_details.reasoning"),
        (
            "OpenAI's object, spread",
            "gen_ai.usage.prompt_tokens_details.cached_tokens",
            "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        ),
        ("that of its Responses", "gen_ai.usage.input_tokens_details.cached_tokens", "gen_ai.usage.output_tokens_details.reasoning_tokens"),
        ("Mastra, Elastic", "gen_ai.usage.cached_input_tokens", "gen_ai.usage.reasoning_tokens"),
        ("LiveKit", "gen_ai.usage.input_cached_tokens", "gen_ai.usage.reasoning_tokens"),
        ("others", "gen_ai.usage.cached_tokens", "gen_ai.usage.reasoning_output_tokens"),
    ] {
        let mut attributes = json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5-mini",
            "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 85,
        });
        (attributes[cached], attributes[thought]) = (json!(1024), json!(40));
        let span = map("", attributes);
        assert_eq!((span.usage.input, span.usage.cache_read, span.usage.input_tokens()), (Some(176), Some(1024), Some(1200)), "{client}");
        assert_eq!((span.usage.reasoning, span.usage.output_tokens()), (Some(40), Some(85)), "{client}");
        // 176 × $0.25/M + 1,024 × $0.025/M + 85 × $2/M = 0.000044 + 0.0000256 + 0.00017
        assert_eq!(span.cost.unwrap().total, Usd::from_dollars(0.000_239_6).unwrap(), "{client}");
    }
}

/// Returns a call of Claude Sonnet 4.5 with 1,000 input tokens that are not cached, and 100 output tokens.
fn claude(scope: &str, more: serde_json::Value) -> crate::span::Span {
    let mut attributes = json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.usage.output_tokens": 100, "otel.scope.name": scope,
    });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    map("", attributes)
}

#[test]
fn cache_writes_for_an_hour_under_every_name() {
    for (name, is_sum_sent) in [
        ("gen_ai.usage.cache_creation.input_tokens.ephemeral_1h", true),
        ("gen_ai.usage.cache_creation.ephemeral_1h_input_tokens", true),
        ("gen_ai.usage.details.ephemeral_1h_input_tokens", true),
        ("gen_ai.usage.cache_write_1h_tokens", true),
        ("llm.usage.cache_creation.ephemeral_1h_input_tokens", true),
        ("gen_ai.usage.cache_creation_1h_input_tokens", false),
    ] {
        let sum = if is_sum_sent { json!(1500) } else { json!(null) };
        let short = if is_sum_sent { json!(null) } else { json!(500) };
        let span = claude(
            "demo",
            json!({
                "gen_ai.usage.input_tokens": 2500, "gen_ai.usage.cache_creation.input_tokens": sum, name: 1000,
                "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens": short,
            }),
        );
        assert_eq!((span.usage.input, span.usage.cache_write_5m, span.usage.cache_write_1h), (Some(1000), Some(500), Some(1000)), "{name}");
        // 1,000 × $3/M + 500 × $3.75/M + 1,000 × $6/M + 100 × $15/M
        assert_eq!(span.cost.unwrap().total, Usd::from_dollars(0.012_375).unwrap(), "{name}");
    }
}

#[test]
fn details_in_every_notation() {
    for details in [
        json!("{\"cache_read\": 800, \"cache_creation\": 0}"),
        json!("{'cache_read': 800, 'cache_creation': 0}"),
        json!("map[cache_creation:0 cache_read:800]"),
        json!("{CachedTokens:800 AudioTokens:0}"),
        json!({"cached_tokens": 800}),
    ] {
        for name in ["gen_ai.usage.input_token_details", "gen_ai.usage.prompt_tokens_details", "llm.usage.input_tokens_details"] {
            let span = claude("demo", json!({"gen_ai.usage.input_tokens": 1800, name: details}));
            assert_eq!((span.usage.cache_read, span.usage.input), (Some(800), Some(1000)), "{name} {details}");
            let told = |read: &crate::provenance::FieldProvenance| read.source.attribute() == Some(name);
            assert!(span.reading.iter().any(told), "{name}: its provenance is known");
        }
    }
}

#[test]
fn the_client_and_the_provider_decide_whether_cached_tokens_are_included() {
    let counts = |input: u64| {
        json!({
            "gen_ai.usage.input_tokens": input, "gen_ai.usage.total_tokens": input + 100, "gen_ai.usage.cache_read.input_tokens": 800,
        })
    };
    for scope in ["pipecat", "org.springframework.boot", "logfire.anthropic"] {
        let span = claude(scope, counts(1000));
        assert_eq!((span.usage.input, span.usage.input_tokens(), span.usage.total), (Some(1000), Some(1800), Some(1900)), "{scope}");
    }
    let inclusive = claude("opentelemetry.instrumentation.anthropic", counts(1800));
    assert_eq!((inclusive.usage.input, inclusive.usage.input_tokens()), (Some(1000), Some(1800)));
    let mut openai = counts(1800);
    openai["gen_ai.provider.name"] = json!("openai");
    assert_eq!(claude("pipecat", openai).usage.input_tokens(), Some(1800), "OpenAI's own count includes them");
}

#[test]
fn counts_of_a_part_of_the_response_are_none() {
    let span = claude(
        "demo",
        json!({"gen_ai.usage.output_tokens": null, "gen_ai.usage.partial.input_tokens": 9, "gen_ai.usage.partial.output_tokens": 1}),
    );
    assert!(span.usage.is_unknown());
}

#[test]
fn zeros_of_an_answered_call_are_unknown() {
    let zeros = json!({"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0, "gen_ai.usage.total_tokens": "0"});
    let span = claude("demo", zeros.clone());
    assert!(span.usage.is_unknown() && span.cost.is_none());
    let mut failed = zeros;
    failed["error.type"] = json!("timeout");
    assert_eq!(claude("demo", failed).usage.input_tokens(), Some(0));
}

#[test]
fn names_that_mean_no_model() {
    for none in ["none", "unknown", "\"none\"", "N/A"] {
        let span = claude("demo", json!({"gen_ai.response.model": none, "gen_ai.usage.input_tokens": 1000}));
        assert_eq!((span.response_model.as_deref(), span.model()), (None, Some("claude-sonnet-4-5")), "{none}");
    }
    let span = claude("demo", json!({"gen_ai.provider.name": "unknown", "gen_ai.usage.input_tokens": 1000}));
    assert_eq!(span.provider.as_deref(), Some("anthropic"), "the vendor of the model");
}

#[test]
fn the_tier_of_a_call() {
    let of = |more: serde_json::Value| crate::cost::service_tier(more.as_object().unwrap());
    assert_eq!(of(json!({"gen_ai.request.batch": true})).as_deref(), Some("batch"));
    assert_eq!(of(json!({"gen_ai.request.batch": "true", "gen_ai.response.service_tier": "standard"})).as_deref(), Some("batch"));
    assert_eq!(of(json!({"gen_ai.request.batch": false})), None);
    assert_eq!(of(json!({"gen_ai.usage.raw": "{\"input_tokens\": 5, \"service_tier\": \"priority\"}"})).as_deref(), Some("priority"));
}

#[test]
fn the_host_names_the_provider_of_a_common_protocol() {
    let of = |provider: Option<&str>, host: &str| {
        let span = map(
            "",
            json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.provider.name": provider, "server.address": host}),
        );
        span.provider
    };
    assert_eq!(of(Some("openai"), "openrouter.ai").as_deref(), Some("openrouter"));
    assert_eq!(of(Some("openai"), "api.openai.com").as_deref(), Some("openai"));
    assert_eq!(of(Some("openai"), "127.0.0.1").as_deref(), Some("openai"));
    assert_eq!(of(None, "api.groq.com").as_deref(), Some("groq"));
}

#[test]
fn langchain_is_no_provider() {
    let of = |named: Option<&str>| {
        let span = map(
            "",
            json!({
                "gen_ai.operation.name": "chat", "gen_ai.system": "Langchain", "gen_ai.request.model": "gpt-4o",
                "traceloop.association.properties.ls_provider": named,
            }),
        );
        span.provider
    };
    assert_eq!(of(Some("amazon_bedrock")).as_deref(), Some("aws.bedrock"));
    assert_eq!(of(None).as_deref(), Some("openai"), "the vendor of the model");
}

#[test]
fn genkit_names_the_model_after_its_plugin() {
    let span = map(
        "",
        json!({
            "genkit:metadata:subtype": "model", "genkit:name": "googleai/gemini-2.5-flash",
            "genkit:output": "{\"message\": {\"role\": \"model\", \"content\": [{\"text\": \"Hi\"}]}, \"usage\": {\"inputTokens\": 10, \"outputTokens\": 5}}",
        }),
    );
    assert_eq!((span.kind, span.model(), span.provider.as_deref()), (SpanType::Llm, Some("gemini-2.5-flash"), Some("google")));
    assert_eq!(span.cost.unwrap().total, Usd::from_dollars(0.000_015_5).unwrap());
    let told = |read: &crate::provenance::FieldProvenance| read.source.attribute() == Some("genkit:output") && read.field == "usage";
    assert!(span.reading.iter().any(told), "its provenance is known");
}

#[test]
fn input_of_the_provider_s_own_tools() {
    let of = |total: u64| {
        let span = map(
            "",
            json!({
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "google", "gen_ai.request.model": "gemini-2.0-flash",
                "gen_ai.usage.input_tokens": 12, "gen_ai.usage.output_tokens": 71, "gen_ai.usage.details.tool_use_prompt_tokens": 65,
                "gen_ai.usage.total_tokens": total,
            }),
        );
        span.usage.input_tokens()
    };
    assert_eq!((of(148), of(83)), (Some(77), Some(12)));
}

#[test]
fn a_model_behind_an_alias() {
    let of = |answered: Option<&str>| {
        let span = map(
            "",
            json!({
                "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "fast", "gen_ai.response.model": answered,
                "litellm.provider.model": "openai/gpt-4o-mini", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50,
            }),
        );
        (span.model().map(str::to_owned), span.cost.map(|cost| cost.total))
    };
    let cost = Usd::from_dollars(0.000_045);
    assert_eq!(of(None), (Some("gpt-4o-mini".into()), cost));
    assert_eq!(of(Some("fast")), (Some("gpt-4o-mini".into()), cost));
    assert_eq!(of(Some("gpt-4o-mini-2024-07-18")), (Some("gpt-4o-mini-2024-07-18".into()), cost));
}

#[test]
fn the_session_that_a_program_names_comes_first() {
    let of = |more: serde_json::Value| {
        let mut attributes = json!({"gen_ai.operation.name": "chat", "gen_ai.conversation.id": "found"});
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        map("", attributes).session_id
    };
    assert_eq!(of(json!({})).as_deref(), Some("found"));
    assert_eq!(of(json!({"session.id": "named"})).as_deref(), Some("named"));
    assert_eq!(of(json!({"session.id": "other", "langfuse.session.id": "named"})).as_deref(), Some("named"));
    assert_eq!(of(json!({"langsmith.metadata.thread_id": "named"})).as_deref(), Some("named"));
    assert_eq!(of(json!({"metadata": "{\"thread_id\": 140001}"})).as_deref(), Some("found"), "a thread of the operating system");
}

#[test]
fn levels_of_failures() {
    for (level, failed) in
        [("ERROR", true), ("fatal", true), ("CRITICAL", true), ("warning", false), ("[REDACTED]", false), ("DEFAULT", false)]
    {
        let span = map("", json!({"langfuse.observation.type": "generation", "langfuse.observation.level": level}));
        assert_eq!(span.status == crate::span::SpanStatus::Error, failed, "{level}");
    }
}

#[test]
fn a_type_of_request_alone_is_no_call() {
    assert_eq!(map("", json!({"llm.request.type": "chat"})).kind, SpanType::Other);
    assert_eq!(map("", json!({"llm.request.type": "chat", "gen_ai.request.model": "gpt-4o"})).kind, SpanType::Llm);
    assert_eq!(map("", json!({"llm.request.type": "chat", "gen_ai.usage.input_tokens": 5})).kind, SpanType::Llm);
}

#[test]
fn contents_that_are_lists_of_parts_as_text() {
    let span = map(
        "",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "command-a", "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "[{\"type\": \"text\", \"text\": \"Hi\"}]", "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "[{\"name\": \"rye\", \"sour\": true}]",
        }),
    );
    assert_eq!(span.input_messages[0].parts, [MessagePart::Text { text: "Hi".into() }]);
    let answer = MessagePart::Text { text: "[{\"name\": \"rye\", \"sour\": true}]".into() };
    assert_eq!(span.output_messages[0].parts, [answer], "what the model wrote stays as it is");
}

#[test]
fn reasons_in_answers_of_every_shape() {
    for output in [
        json!("[{\"role\": \"assistant\", \"parts\": [], \"finish_reason\": \"stop\"}]"),
        json!("{\"choices\": [{\"message\": {\"content\": \"Hi\"}, \"finish_reason\": \"stop\"}]}"),
        json!("{\"content\": [{\"type\": \"text\", \"text\": \"Hi\"}], \"stop_reason\": \"stop\"}"),
        json!([{"role": "assistant", "content": "Hi", "finish_reason": "stop"}]),
    ] {
        let span = map("", json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.output.messages": output}));
        assert_eq!(span.finish_reasons, ["stop"], "{output}");
    }
}

#[test]
fn tools_are_named_by_their_steps() {
    let named = |attributes: serde_json::Value| map("", attributes).tool;
    assert_eq!(named(json!({"traceloop.span.kind": "tool", "traceloop.entity.name": "weigh"})).as_deref(), Some("weigh"));
    assert_eq!(named(json!({"genkit:metadata:subtype": "tool", "genkit:name": "weigh"})).as_deref(), Some("weigh"));
    assert_eq!(
        named(json!({"traceloop.span.kind": "tool", "gen_ai.tool.name": "oven", "traceloop.entity.name": "weigh"})).as_deref(),
        Some("oven")
    );
}

#[test]
fn spring_ai_kinds_are_mapped() {
    let framework = |kind: &str, more: serde_json::Value| {
        let mut attributes = json!({"gen_ai.operation.name": "framework", "gen_ai.system": "spring_ai", "spring.ai.kind": kind});
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        map("", attributes)
    };
    let client = framework("chat_client", json!({"spring.ai.chat.client.conversation.id": "c-7"}));
    assert_eq!((client.kind, client.session_id.as_deref()), (SpanType::Chain, Some("c-7")));
    assert_eq!(framework("advisor", json!({})).kind, SpanType::Chain);
    let tool = framework(
        "tool_call",
        json!({
            "spring.ai.tool.definition.name": "weather", "spring.ai.tool.call.arguments": "{\"city\":\"Sapporo\"}", "spring.ai.tool.call.result": "\"5 C\"",
        }),
    );
    assert_eq!((tool.kind, tool.tool.as_deref()), (SpanType::Tool, Some("weather")));
    assert!(!tool.input_messages.is_empty() && !tool.output_messages.is_empty());
    let search = map(
        "",
        json!({
            "db.operation.name": "query", "db.system": "pg_vector", "spring.ai.kind": "vector_store", "db.vector.query.content": "refunds",
            "db.vector.query.response.documents": "[\"Within 30 days\"]",
        }),
    );
    assert_eq!((search.kind, search.input_messages.len()), (SpanType::Retriever, 1));
}

#[test]
fn livekit_s_calls_and_tools_have_their_texts() {
    let call = map(
        "",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "api.openai.com", "gen_ai.request.model": "gpt-4o-mini",
            "lk.chat_ctx": "{\"items\":[{\"id\":\"i1\",\"type\":\"message\",\"role\":\"system\",\"content\":[\"Be terse.\"]},{\"id\":\"i2\",\"type\":\"message\",\"role\":\"user\",\"content\":[\"Hi\"]}]}",
            "lk.response.text": "Hello", "lk.response.ttft": 0.4, "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 9,
        }),
    );
    let roles: Vec<&str> = call.input_messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["system", "user"]);
    assert_eq!(call.input_messages[1].parts, [MessagePart::Text { text: "Hi".into() }]);
    assert_eq!(call.output_messages[0].parts, [MessagePart::Text { text: "Hello".into() }]);
    assert_eq!(call.time_to_first_token_us, Some(400_000));
    let tool = map(
        "",
        json!({"lk.function_tool.name": "weather", "lk.function_tool.id": "c1", "lk.function_tool.arguments": "{}", "lk.function_tool.output": "5 C"}),
    );
    assert_eq!((tool.kind, tool.tool.as_deref(), tool.tool_call_id.as_deref()), (SpanType::Tool, Some("weather"), Some("c1")));
}

#[test]
fn openrouter_request_metadata_becomes_tags() {
    let span = map(
        "",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "Google AI Studio", "gen_ai.request.model": "google/gemini-2.5-flash",
            "trace.metadata.feature": "search", "trace.metadata.openrouter.api_key_name": "main", "gen_ai.user.id": "u1",
        }),
    );
    assert_eq!(span.tags.keys().map(String::as_str).collect::<Vec<_>>(), ["feature"]);
    assert_eq!((span.provider.as_deref(), span.user_id.as_deref()), (Some("google"), Some("u1")));
}
