//! Attribute names of single clients, according to their source code and documentation.

use serde_json::json;

use super::map;
use crate::money::Usd;
use crate::span::{MessagePart, SpanType};

#[test]
fn cached_and_thought_tokens_under_every_name_are_part_of_the_counts() {
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

#[test]
fn spring_ai_tells_its_steps_by_a_kind_of_its_own() {
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
fn what_a_request_to_openrouter_says_of_itself_is_a_tag() {
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
