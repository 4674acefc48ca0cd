use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::money::Usd;
use crate::span::{MessagePart, UsageSource};

mod conventions;
mod other_models;
mod spellings;

fn raw(op: &str, attributes: Value) -> RawSpan {
    RawSpan {
        trace_id: TraceId(1),
        span_id: SpanId(2),
        parent_span_id: None,
        name: "a span".into(),
        op: op.into(),
        origin: None,
        status: RawStatus::Unset,
        status_detail: None,
        start_us: 1_795_420_617_000_000,
        end_us: 1_795_420_618_000_000,
        clock_shift_us: 0,
        time_sources: Default::default(),
        attributes: attributes.as_object().unwrap().clone(),
        measurements: Vec::new(),
        tags: BTreeMap::new(),
    }
}

fn map(op: &str, attributes: Value) -> Span {
    canonical_span(raw(op, attributes), PriceBook::embedded())
}

/// Returns a call as OpenLLMetry's instrumentation of google-genai sends it: prompt, response and total as Google counts them.
fn gemini(model: &str, more: Value) -> Span {
    let mut attributes = json!({
        "gen_ai.operation.name": "generate_content", "gen_ai.provider.name": "gcp.gen_ai", "gen_ai.request.model": model,
        "gen_ai.response.model": model, "gen_ai.input.messages": "[{\"role\": \"user\", \"parts\": [{\"type\": \"text\", \"content\": \"How many?\"}]}]",
        "gen_ai.output.messages": "[{\"role\": \"assistant\", \"parts\": [{\"type\": \"text\", \"content\": \"Two.\"}], \"finish_reason\": \"stop\"}]",
        "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 50, "gen_ai.usage.total_tokens": 1450,
    });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    map("", attributes)
}

#[test]
fn gemini_reasoning_is_the_rest_of_the_total() {
    let span = gemini("gemini-2.5-flash", json!({}));
    assert_eq!((span.usage.output, span.usage.reasoning, span.usage.output_tokens()), (Some(50), Some(400), Some(450)));
    assert_eq!((span.usage.input_tokens(), span.usage.total), (Some(1000), Some(1450)));
    // 1,000 × $0.30/M + 450 × $2.50/M = 0.0003 + 0.001125
    assert_eq!(span.cost.as_ref().unwrap().total, Usd::from_dollars(0.001_425).unwrap());
    assert!(span.reading.contains(&read("usage.reasoning_tokens", FieldSource::RestOfTotal)));
    let (_, output) = interpretations_of(&span, &AttributeDialect::GENERAL_DIALECT);
    let output = output.unwrap();
    assert_eq!((output.sent, output.special, output.whole, output.rule), (50, 400, 450, crate::usage::TokenInclusionRule::Exclusive));
    // A part of the prompt comes from the cache and is included in the prompt's count.
    let cached = gemini("models/gemini-flash-latest", json!({"gen_ai.usage.cache_read.input_tokens": 600}));
    assert_eq!((cached.usage.input, cached.usage.cache_read, cached.usage.reasoning), (Some(400), Some(600), Some(400)));
}

#[test]
fn ambiguous_rest_of_the_total_stays_unknown() {
    let tools = "[{\"code_execution\": {}}]";
    let ran = "[{\"role\": \"assistant\", \"parts\": [{\"executable_code\": {\"code\": \"print(2)\"}}]}]";
    for (what, span) in [
        ("a tool of Google's own could be used", gemini("gemini-2.5-flash", json!({"gen_ai.tool.definitions": tools}))),
        ("one was used", gemini("gemini-2.5-flash", json!({"gen_ai.output.messages": ran}))),
        ("the texts are left out, and the tools with them", gemini("gemini-2.5-flash", json!({"gen_ai.input.messages": ""}))),
        ("a model that does not think", gemini("gemini-2.0-flash", json!({}))),
        ("another's model", gemini("claude-sonnet-4-5", json!({}))),
        ("nothing is left", gemini("gemini-2.5-flash", json!({"gen_ai.usage.total_tokens": 1050}))),
        ("no total", gemini("gemini-2.5-flash", json!({"gen_ai.usage.total_tokens": null}))),
    ] {
        assert_eq!((span.usage.output_tokens(), span.usage.reasoning), (Some(50), None), "{what}");
    }
    let told = gemini("gemini-2.5-flash", json!({"gen_ai.usage.reasoning.output_tokens": 300}));
    assert_eq!(told.usage.reasoning, Some(300), "what was sent is not corrected");
}

#[test]
fn parameterized_message_is_made_readable() {
    let title = |name: &str, message: Value| {
        let mut raw = raw("", json!({"logfire.msg": message, "logfire.msg_template": name}));
        raw.name = name.into();
        let span = canonical_span(raw, PriceBook::embedded());
        assert_eq!(span.name, name, "groups and comparisons keep the template");
        span.title
    };
    assert_eq!(
        title("Message with {request_data[model]!r}", json!("Message with 'claude-sonnet-4-5'")).as_deref(),
        Some("Message with 'claude-sonnet-4-5'")
    );
    assert_eq!(title("Refund {order=}", json!("Refund order=7")).as_deref(), Some("Refund order=7"));
    for (name, message) in [
        ("answer", json!("answer")),
        ("chat gpt-4o", json!("something else")),
        ("{x}", json!("{x}")),
        ("{x}", json!(5)),
        ("a } b {", json!("c")),
    ] {
        assert_eq!(title(name, message), None, "{name}");
    }
}

#[test]
fn a_call_with_everything() {
    let span = map(
        "gen_ai.chat",
        json!({
            "gen_ai.system": "OpenAI", "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.input_tokens.cached": 1024, "gen_ai.usage.output_tokens": 85,
            "gen_ai.system_instructions": "[{\"type\": \"text\", \"content\": \"Be terse.\"}]",
            "gen_ai.request.messages": "[{\"role\": \"user\", \"content\": \"Hi\"}]", "gen_ai.response.text": "Hello",
            "gen_ai.response.tool_calls": "[{\"name\": \"f\", \"args\": {}, \"id\": \"c1\"}]",
            "gen_ai.response.finish_reasons": "[\"stop\"]", "gen_ai.response.time_to_first_token": 0.25, "gen_ai.response.streaming": true,
            "gen_ai.conversation.id": "c-7", "user.id": "u-7", "custom": {"nested": [1]},
        }),
    );
    assert_eq!((span.kind, span.provider.as_deref(), span.model()), (SpanType::Llm, Some("openai"), Some("gpt-4o-2024-08-06")));
    assert_eq!((span.usage.input, span.usage.cache_read, span.usage.source), (Some(176), Some(1024), Some(UsageSource::Reported)));
    let roles: Vec<&str> = span.input_messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["system", "user"]);
    assert_eq!(span.output_messages.len(), 1);
    assert_eq!(span.output_messages[0].parts.len(), 2, "text, then the call");
    assert_eq!((span.time_to_first_token_us, span.streaming), (Some(250_000), Some(true)));
    assert_eq!((span.session_id.as_deref(), span.user_id.as_deref()), (Some("c-7"), Some("u-7")));
    assert_eq!(span.finish_reasons, ["stop"]);
    assert_eq!(span.attributes.get("custom"), Some(&json!("{\"nested\":[1]}")));
    assert!(!span.attributes.contains_key("gen_ai.request.messages"), "texts are not kept twice");
    assert!(span.attributes.contains_key("gen_ai.usage.input_tokens"), "raw counts stay for whoever doubts ours");
    // 176 at $2.50, 1,024 at $1.25 and 85 at $10 per million.
    assert_eq!(span.cost.unwrap().total, Usd((176 * 2_500_000) + (1024 * 1_250_000) + (85 * 10_000_000)));
    assert!(span.reading.contains(&read("usage.input_tokens", FieldSource::Attribute("gen_ai.usage.input_tokens".into()))));
}

#[test]
fn newest_of_several_names_wins() {
    let span = map(
        "gen_ai.chat",
        json!({"gen_ai.system": "openai", "gen_ai.provider.name": "anthropic", "gen_ai.usage.prompt_tokens": 1, "gen_ai.usage.input_tokens": 2}),
    );
    assert_eq!((span.provider.as_deref(), span.usage.input), (Some("anthropic"), Some(2)));
}

#[test]
fn provider_is_inferred_when_not_named() {
    let provider = |op: &str, attributes: Value| {
        let span = map(op, attributes);
        (span.provider, span.provider_inferred)
    };
    assert_eq!(provider("ai.chat_completions.create.openai", json!({"ai.model_id": "gpt-4o"})), (Some("openai".into()), true));
    assert_eq!(provider("gen_ai.chat", json!({"gen_ai.request.model": "claude-haiku-4-5"})), (Some("anthropic".into()), true));
    assert_eq!(
        provider("gen_ai.chat", json!({"gen_ai.system": "My-Router", "gen_ai.request.model": "gpt-4o"})),
        (Some("openai".into()), true)
    );
    assert_eq!(
        provider("gen_ai.chat", json!({"gen_ai.system": "My-Router", "gen_ai.request.model": "my-finetune-7b"})),
        (Some("my-router".into()), false)
    );
    assert_eq!(provider("gen_ai.chat", json!({"gen_ai.request.model": "my-finetune-7b"})), (None, false));
}

#[test]
fn unset_statuses_are_inferred() {
    let of = |attributes: Value| map("http.client", attributes).status;
    assert_eq!(of(json!({})), SpanStatus::Ok);
    assert_eq!(of(json!({"http.response.status_code": 200})), SpanStatus::Ok);
    assert_eq!(of(json!({"http.response.status_code": 429})), SpanStatus::Error);
    assert_eq!(of(json!({"error.type": "Timeout"})), SpanStatus::Error);
    let mut failed = raw("gen_ai.chat", json!({"sentry.status.message": "500 no"}));
    failed.status = RawStatus::Error;
    let failed = canonical_span(failed, PriceBook::embedded());
    assert_eq!((failed.status, failed.status_detail.as_deref()), (SpanStatus::Error, Some("500 no")));
}

#[test]
fn an_embedding_has_no_output() {
    let span = map(
        "gen_ai.embeddings",
        json!({"gen_ai.usage.input_tokens": 9, "gen_ai.usage.total_tokens": 9, "gen_ai.embeddings.input": "[\"one\", \"two\"]"}),
    );
    assert_eq!((span.kind, span.usage.output, span.usage.total), (SpanType::Embedding, Some(0), Some(9)));
    assert_eq!(span.input_messages.len(), 2);
    assert!(map("gen_ai.embeddings", json!({})).usage.is_unknown());
}

#[test]
fn web_searches_are_priced() {
    let with = |more: Value| {
        let mut attributes = json!({
            "gen_ai.system": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.output_tokens": 0,
        });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let span = map("gen_ai.chat", attributes);
        (span.usage.web_searches, span.cost.unwrap().total)
    };
    // 1,000 × $3/M, and $10 per thousand searches.
    let (none, two) = ((None, Usd(3_000_000_000)), (Some(2), Usd(23_000_000_000)));
    assert_eq!(with(json!({})), none);
    // Pydantic AI; OpenInference; Vercel's AI SDK; OpenLIT; OpenAI's items in the response, one of which only opens a page.
    assert_eq!(with(json!({"gen_ai.usage.details.web_search_requests": 2})), two);
    assert_eq!(with(json!({"metadata": "{\"server_tool_use\": {\"web_search_requests\": 2}}"})), two);
    assert_eq!(
        with(json!({"ai.response.providerMetadata": "{\"anthropic\":{\"usage\":{\"server_tool_use\":{\"web_search_requests\":2}}}}"})),
        two
    );
    assert_eq!(with(json!({"openai.response.built_in_tools": "web_search, file_search, web_search"})), two);
    let items = json!([
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "web_search_call", "id": "ws_2", "status": "completed", "action": {"type": "open_page", "url": "u"}},
        {"type": "web_search_call", "id": "ws_3", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
    ]);
    assert_eq!(with(json!({"gen_ai.output.messages": items.to_string()})), two);
}

#[test]
fn old_google_models_are_priced_by_prompt_size() {
    let searches = |model: &str| {
        map("gen_ai.chat", json!({"gen_ai.request.model": model, "gen_ai.usage.details.web_search_requests": 4})).usage.web_searches
    };
    assert_eq!(
        (searches("gemini-2.5-flash"), searches("models/gemini-2.5-pro"), searches("gemini-3-pro-preview")),
        (Some(1), Some(1), Some(4))
    );
}

#[test]
fn one_hour_cache_writes_and_images_are_priced() {
    let span = map(
        "gen_ai.chat",
        json!({
            "gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.cache_creation.input_tokens": 500, "gen_ai.usage.details.ephemeral_1h_input_tokens": 200,
            "gen_ai.usage.details.image_prompt_tokens": 258,
        }),
    );
    let usage = span.usage;
    assert_eq!((usage.input, usage.cache_write_5m, usage.cache_write_1h, usage.input_image), (Some(242), Some(300), Some(200), Some(258)));
    assert_eq!(usage.input_tokens(), Some(1000));
}

#[test]
fn service_tier_is_read_from_the_parameters() {
    let price = |more: Value| {
        let mut attributes = json!({"gen_ai.system": "openai", "gen_ai.request.model": "gpt-5-mini", "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 1});
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        // Noon of 23 November 2026.
        let at_us = 1_795_435_200_000_000;
        let raw = RawSpan { start_us: at_us, end_us: at_us, ..raw("gen_ai.chat", attributes) };
        canonical_span(raw, PriceBook::embedded()).cost.unwrap().price.unwrap()
    };
    assert_eq!(price(json!({})), "openai:gpt-5-mini");
    assert_eq!(price(json!({"llm.invocation_parameters": "{\"service_tier\": \"flex\"}"})), "openai:gpt-5-mini+flex@2026-10-12");
    assert_eq!(price(json!({"langfuse.observation.model.parameters": {"service_tier": "batch"}})), "openai:gpt-5-mini+batch@2026-10-14");
    let answered = json!({"gen_ai.openai.request.service_tier": "auto", "gen_ai.openai.response.service_tier": "priority"});
    assert_eq!(price(answered), "openai:gpt-5-mini+priority@2026-10-12");
}

#[test]
fn model_of_a_failed_call_is_read_from_the_parameters() {
    // As OpenInference's instrumentation of OpenAI sends it.
    let attributes =
        json!({"openinference.span.kind": "LLM", "llm.system": "openai", "llm.invocation_parameters": "{\"model\": \"gpt-4o\"}"});
    let span = map("", attributes);
    assert_eq!(span.request_model.as_deref(), Some("gpt-4o"));
    let from = span.reading.iter().find(|reading| reading.field == "request_model").and_then(|reading| reading.source.attribute());
    assert_eq!(from, Some("llm.invocation_parameters"));
}

#[test]
fn model_of_a_failed_openlit_call_is_read_from_the_name() {
    let named = |origin: &str, name: &str| {
        let raw =
            RawSpan { name: name.into(), origin: Some(origin.into()), status: RawStatus::Error, ..raw("", json!({"otel.kind": "client"})) };
        let span = canonical_span(raw, PriceBook::embedded());
        (span.kind, span.request_model, span.provider, span.operation)
    };
    let call = (SpanType::Llm, Some("claude-sonnet-4-5-20250929".into()), Some("anthropic".into()), Some("chat".into()));
    assert_eq!(named("openlit.instrumentation.anthropic", "chat claude-sonnet-4-5-20250929"), call);
    assert_eq!(named("shop", "chat claude-sonnet-4-5-20250929").0, SpanType::Other);
    assert_eq!(named("openlit.instrumentation.anthropic", "open door").0, SpanType::Other);
}

#[test]
fn scrubbed_logfire_value_is_not_a_session() {
    let session = |attributes: Value| map("gen_ai.chat", attributes).session_id;
    assert_eq!(session(json!({"session.id": "[Scrubbed due to 'session']"})), None);
    let named = json!({"session.id": "[Scrubbed due to 'session']", "gen_ai.conversation.id": "c-1"});
    assert_eq!(session(named).as_deref(), Some("c-1"));
}

#[test]
fn mlflow_values_are_json() {
    let attributes = json!({"mlflow.spanType": "\"CHAT_MODEL\"", "mlflow.llm.model": "\"gpt-4o\"", "model": "\"gpt-4o\""});
    let span = map("", attributes);
    assert_eq!((span.kind, span.request_model.as_deref(), span.provider.as_deref()), (SpanType::Llm, Some("gpt-4o"), Some("openai")));
}

#[test]
fn response_id_is_not_a_session() {
    let session = |id: &str| {
        let attributes = json!({
            "gen_ai.conversation.id": id, "gen_ai.response.id": "resp_1", "vercel.ai.telemetry.metadata.sessionId": "session-7",
        });
        map("gen_ai.chat", attributes).session_id
    };
    assert_eq!(session("resp_1").as_deref(), Some("session-7"));
    assert_eq!(session("c-1").as_deref(), Some("c-1"));
}

#[test]
fn litellm_python_counts_are_parsed() {
    // 25 uncached tokens, 512 cache writes, 2,048 cache reads: 25 × 3 + 512 × 3.75 + 2,048 × 0.3 + 64 × 15 dollars per million.
    let span = map(
        "",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5-20250929",
            "gen_ai.usage.input_tokens": 2585, "gen_ai.usage.output_tokens": 64, "gen_ai.usage.total_tokens": 2649,
            "gen_ai.cost.total_cost": 0.0035694, "metadata.user_api_key_end_user_id": "user-42", "metadata.user_api_key_user_id": "default_user_id",
            "metadata.usage_object": "{'completion_tokens': 64, 'prompt_tokens': 2585, 'total_tokens': 2649, 'completion_tokens_details': None, 'prompt_tokens_details': \
                {'audio_tokens': None, 'cache_write_tokens': 512, 'cached_tokens': 2048, 'text_tokens': 25}, 'cache_creation_input_tokens': 512, 'cache_read_input_tokens': 2048}",
        }),
    );
    let usage = &span.usage;
    assert_eq!(
        (usage.input, usage.cache_read, usage.cache_write_5m, usage.input_tokens(), usage.output_tokens()),
        (Some(25), Some(2048), Some(512), Some(2585), Some(64))
    );
    assert_eq!(span.cost.unwrap().total, Usd::from_dollars(0.003_569_4).unwrap());
    assert_eq!(span.user_id.as_deref(), Some("user-42"));
}

#[test]
fn only_calls_count_and_cost() {
    let usage = json!({"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 1, "gen_ai.response.model": "gpt-4o", "gen_ai.agent.name": "bot"});
    let agent = map("gen_ai.invoke_agent", usage.clone());
    assert_eq!((agent.counted, agent.cost, agent.usage.input), (false, None, Some(9)));
    assert_eq!((agent.pipeline.as_deref(), agent.is_run), (Some("bot"), true));
    let chat = map("gen_ai.chat", usage);
    assert_eq!((chat.counted, chat.pipeline, chat.is_run), (true, None, false), "a call in an agent is no pipeline");
    assert!(map("http.client", json!({})).counted);
}

#[test]
fn pipelines_of_ai_track() {
    let span = map("ai.pipeline", json!({}));
    assert_eq!((span.kind, span.pipeline.as_deref(), span.is_run), (SpanType::Chain, Some("a span"), true));
    let call = map("ai.chat_completions.create.openai", json!({"ai.pipeline.name": "p"}));
    assert_eq!((call.pipeline.as_deref(), call.is_run), (Some("p"), false));
    let vercel = map(
        "gen_ai.generate_content",
        json!({"ai.operationId": "ai.generateText.doGenerate", "ai.pipeline.name": "generateText.doGenerate"}),
    );
    assert_eq!(vercel.pipeline, None);
}

#[test]
fn tool_arguments_and_result_become_messages() {
    let span = map(
        "gen_ai.execute_tool",
        json!({"gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c1", "gen_ai.tool.input": "{}", "gen_ai.tool.output": "18 C"}),
    );
    assert_eq!(span.input_messages[0].parts, [MessagePart::ToolCall { id: Some("c1".into()), name: "f".into(), arguments: "{}".into() }]);
    assert_eq!(
        span.output_messages[0].parts,
        [MessagePart::ToolResult { id: Some("c1".into()), name: Some("f".into()), result: "18 C".into() }]
    );
}

#[test]
fn tool_result_message_gives_the_call_id() {
    let output = json!({"content": "18 C", "type": "tool", "name": "f", "id": "None", "tool_call_id": "c1", "status": "success"});
    let span = map("gen_ai.execute_tool", json!({"gen_ai.tool.name": "f", "gen_ai.tool.output": output.to_string()}));
    let result = MessagePart::ToolResult { id: Some("c1".into()), name: Some("f".into()), result: "18 C".into() };
    assert_eq!((span.output_messages[0].parts.as_slice(), span.tool_call_id.as_deref()), ([result].as_slice(), Some("c1")));
}

#[test]
fn numbered_message_attributes_are_joined() {
    let span = map(
        "",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi",
            "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.tool_calls.0.name": "f", "gen_ai.completion.0.tool_calls.0.arguments": "{}",
        }),
    );
    assert_eq!((span.kind, span.op.as_str()), (SpanType::Llm, "gen_ai.chat"));
    assert_eq!(span.input_messages.len(), 1);
    assert_eq!(span.output_messages[0].parts, [MessagePart::ToolCall { id: None, name: "f".into(), arguments: "{}".into() }]);
}

#[test]
fn long_texts_are_truncated() {
    let long = "x".repeat(3 << 20);
    let span = map("gen_ai.chat", json!({"gen_ai.request.messages": json!([{"role": "user", "content": long}]).to_string(), "own": long}));
    let MessagePart::Text { text } = &span.input_messages[0].parts[0] else { panic!() };
    assert!(text.len() < (1 << 20) + 100 && text.ends_with("bytes cut]"));
    assert!(span.attributes["own"].as_str().unwrap().len() < (1 << 20) + 100);
}

#[test]
fn normalization_is_idempotent() {
    let attributes = json!({
        "gen_ai.system": "openai-chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": "120", "ai_total_tokens_used": 5,
        "gen_ai.usage.output_tokens": 7, "gen_ai.usage.input_tokens.cached": 20, "nested": {"a": [1, {}]}, "gen_ai.conversation.id": 7,
    });
    let once = map("gen_ai.chat", attributes);
    let again = map("gen_ai.chat", Value::Object(once.attributes.clone()));
    assert_eq!(once, again);
}

/// Recognized attributes that are stored, with values of any type.
fn any_attributes() -> impl Strategy<Value = Attributes> {
    let names: Vec<&'static str> =
        SpanField::ALL.iter().filter(|field| !field.replaces_its_attribute()).flat_map(|field| field.names()).copied().collect();
    let value = prop_oneof![
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-z0-9.{}\"]{0,12}".prop_map(Value::from),
        prop::collection::vec("[a-z]{0,5}", 0..3).prop_map(Value::from),
    ];
    prop::collection::btree_map(prop::sample::select(names), value, 0..25)
        .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn normalization_of_any_attributes_is_idempotent(attributes in any_attributes(), op in prop::sample::select(vec!["", "gen_ai.chat", "gen_ai.embeddings", "ai.pipeline", "http.client"])) {
        let once = map(op, Value::Object(attributes));
        let again = map(op, Value::Object(once.attributes.clone()));
        prop_assert_eq!(once, again);
    }
}
