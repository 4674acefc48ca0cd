//! Each action of a coding agent becomes one complete span, and the same one if it is sent again.

use serde_json::{Map, Value, json};

use crate::clock::DecodeContext;
use crate::dedup::{SpanNode, decide_trace};
use crate::mapping::MappingRuleSet;
use crate::money::Usd;
use crate::otlp::{DecodedOtlpRequest, OtlpEncoding, OtlpSignal, decode};
use crate::outcome::OutcomeCategory;
use crate::partial_spans;
use crate::price::PriceBook;
use crate::span::{CostSource, MessagePart, Span, SpanStatus, SpanType};
use crate::time::SECOND_US;

const NOW_US: i64 = 1_795_510_800 * SECOND_US;
const SECOND_NS: u64 = 1_000_000_000;
const AT_NS: u64 = 1_795_510_000 * SECOND_NS;
const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";

fn context() -> DecodeContext<'static> {
    DecodeContext {
        received_us: NOW_US,
        retention_us: Some(30 * 86_400 * SECOND_US),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    }
}

fn pairs(attributes: &Value) -> Vec<Value> {
    let typed = |value: &Value| match value {
        Value::String(_) => json!({ "stringValue": value }),
        Value::Bool(_) => json!({ "boolValue": value }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": value }),
        _ => json!({ "intValue": value }),
    };
    attributes.as_object().unwrap().iter().map(|(key, value)| json!({ "key": key, "value": typed(value) })).collect()
}

/// Returns the record of an event that happened some seconds after the start.
fn record(seconds: u64, attributes: Value) -> Value {
    json!({ "timeUnixNano": (AT_NS + seconds * SECOND_NS).to_string(), "attributes": pairs(&attributes) })
}

fn within(mut record: Value, span_id: &str) -> Value {
    record["traceId"] = TRACE.into();
    record["spanId"] = span_id.into();
    record
}

fn body(scope: &str, records: &[Value]) -> String {
    let resource = json!({ "attributes": pairs(&json!({ "service.name": "agent" })) });
    json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "scope": { "name": scope }, "logRecords": records }] }] }).to_string()
}

fn logs(scope: &str, records: &[Value]) -> DecodedOtlpRequest {
    decode(body(scope, records).into(), OtlpSignal::Logs, OtlpEncoding::Json, &context()).unwrap()
}

fn spans(scope: &str, spans: &[Value]) -> Vec<Span> {
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "scope": { "name": scope }, "spans": spans }] }] }).to_string();
    decode(body.into(), OtlpSignal::Traces, OtlpEncoding::Json, &context()).unwrap().spans
}

fn span(id: &str, parent: &str, name: &str, seconds: [u64; 2], attributes: Value) -> Value {
    json!({
        "traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": name, "attributes": pairs(&attributes),
        "startTimeUnixNano": (AT_NS + seconds[0] * SECOND_NS).to_string(), "endTimeUnixNano": (AT_NS + seconds[1] * SECOND_NS).to_string(),
    })
}

/// Returns the spans of all batches as a store joins them.
fn stored(batches: &[Vec<Span>]) -> Vec<Span> {
    let mut stored: Vec<Span> = Vec::new();
    for span in batches.iter().flatten() {
        match stored.iter_mut().find(|known| (known.trace_id, known.span_id) == (span.trace_id, span.span_id)) {
            Some(known) => *known = partial_spans::join_partial_spans(known, span, PriceBook::embedded()).unwrap_or_else(|| known.clone()),
            None => stored.push(span.clone()),
        }
    }
    let nodes: Vec<SpanNode> = stored.iter().map(SpanNode::of).collect();
    for (span, decision) in stored.iter_mut().zip(decide_trace(&nodes)) {
        decision.apply(span);
    }
    stored.sort_by_key(|span| span.span_id);
    stored
}

fn counted(spans: &[Span]) -> Vec<&Span> {
    spans.iter().filter(|span| span.is_call() && span.counted).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} is there"))
}

const CLAUDE_EVENTS: &str = "com.anthropic.claude_code.events";
const CLAUDE_TRACES: &str = "com.anthropic.claude_code.tracing";

fn claude(seconds: u64, name: &str, more: Value) -> Value {
    let mut attributes = json!({ "event.name": name, "session.id": "s", "prompt.id": "p", "user.id": "u" });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record(seconds, attributes)
}

fn request(seconds: u64, more: Value) -> Value {
    let mut attributes = json!({
        "model": "claude-sonnet-4-5-20250929", "input_tokens": 25, "output_tokens": 64, "cache_read_tokens": 2048,
        "cache_creation_tokens": 512, "cost_usd": 0.0035694, "duration_ms": 2000, "request_id": "req_1",
    });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claude(seconds, "api_request", attributes)
}

/// Returns one turn of Claude Code without traces.
fn turn() -> Vec<Value> {
    vec![
        claude(1, "user_prompt", json!({ "prompt": "Why?" })),
        claude(2, "tool_decision", json!({ "tool_name": "Bash", "tool_use_id": "t1", "decision": "accept" })),
        claude(
            5,
            "tool_result",
            json!({ "tool_name": "Bash", "tool_use_id": "t1", "success": "false", "error": "no", "duration_ms": "1500", "tool_input": "{}" }),
        ),
        request(8, json!({})),
        claude(8, "assistant_response", json!({ "response": "Because.", "request_id": "req_1" })),
        claude(9, "something_new", json!({ "k": "v" })),
        claude(9, "auth", json!({})),
    ]
}

#[test]
fn a_turn_of_claude_code_without_traces() {
    let decoded = logs(CLAUDE_EVENTS, &turn());
    assert_eq!(decoded.outcomes.len(), 1);
    assert_eq!((decoded.outcomes[0].reason.as_str(), decoded.outcomes[0].category), ("not_llm_telemetry", OutcomeCategory::Log));
    let spans = decoded.spans;
    let root = named(&spans, "claude_code.interaction");
    assert_eq!((root.kind, root.parent_span_id), (SpanType::Agent, None));
    assert_eq!((root.end_us - root.start_us) / SECOND_US, 8, "from the prompt to the last record");
    assert_eq!(root.input_messages[0].parts, [MessagePart::Text { text: "Why?".into() }]);
    assert_eq!(root.output_messages[0].parts, [MessagePart::Text { text: "Because.".into() }]);
    assert!(spans.iter().all(|span| span.trace_id == root.trace_id && span.session_id.as_deref() == Some("s")));
    assert!(spans.iter().all(|span| span.span_id == root.span_id || span.parent_span_id == Some(root.span_id)));
    assert!(spans.iter().all(|span| span.prompt.is_none()), "an id of a turn is no template of prompts");

    let call = named(&spans, "claude_code.api_request");
    assert_eq!((call.kind, call.provider.as_deref(), call.response_id.as_deref()), (SpanType::Llm, Some("anthropic"), Some("req_1")));
    assert_eq!((call.usage.input, call.usage.input_tokens(), call.usage.total), (Some(25), Some(2585), Some(2649)));
    assert_eq!((call.end_us - call.start_us) / SECOND_US, 2);
    assert_eq!(call.client_cost, Usd::from_dollars(0.0035694));
    assert_eq!(call.cost.as_ref().map(|cost| cost.source), Some(CostSource::Computed));
    assert_eq!(call.output_messages, root.output_messages);

    let tool = named(&spans, "claude_code.tool_result");
    assert_eq!((tool.kind, tool.tool.as_deref(), tool.status), (SpanType::Tool, Some("Bash"), SpanStatus::Error));
    assert_eq!((tool.end_us - tool.start_us, tool.status_detail.as_deref()), (1_500_000, Some("no")));
    assert_eq!(named(&spans, "claude_code.tool_decision").kind, SpanType::Other);
    assert_eq!(named(&spans, "claude_code.something_new").kind, SpanType::Other);
}

#[test]
fn records_form_one_turn_in_any_batches_and_repeats() {
    let whole = stored(&[logs(CLAUDE_EVENTS, &turn()).spans]);
    let one_by_one: Vec<Vec<Span>> = turn().iter().rev().map(|record| logs(CLAUDE_EVENTS, std::slice::from_ref(record)).spans).collect();
    assert_eq!(stored(&one_by_one), whole);
    let again = logs(CLAUDE_EVENTS, &turn()).spans;
    assert_eq!(stored(&[again.clone(), one_by_one.concat(), again]), whole);
}

#[test]
fn failed_call_has_no_tokens() {
    let error =
        claude(3, "api_error", json!({ "model": "claude-sonnet-4-5", "error": "Overloaded", "status_code": 529, "duration_ms": 10 }));
    let spans = logs(CLAUDE_EVENTS, &[error]).spans;
    let call = named(&spans, "claude_code.api_error");
    assert_eq!((call.kind, call.status, call.status_detail.as_deref()), (SpanType::Llm, SpanStatus::Error, Some("Overloaded")));
    assert!(call.usage.is_unknown() && call.cost.is_none() && call.counted);
}

/// Returns the spans of a turn with the beta traces enabled; `known` is the usage in the span of the call.
fn beta(known: Value) -> Vec<Span> {
    let mut call = json!({ "span.type": "llm_request", "model": "claude-sonnet-4-5-20250929", "request_id": "req_1", "success": true });
    call.as_object_mut().unwrap().extend(known.as_object().unwrap().clone());
    let interaction =
        span("00000000000000aa", "", "claude_code.interaction", [0, 9], json!({ "span.type": "interaction", "user_prompt": "Why?" }));
    spans(CLAUDE_TRACES, &[span("00000000000000ab", "00000000000000aa", "claude_code.llm_request", [5, 8], call), interaction])
}

#[test]
fn call_reported_by_span_and_record_counts_once() {
    let record = || logs(CLAUDE_EVENTS, &[within(request(8, json!({})), "00000000000000aa")]).spans;
    let usage = json!({ "input_tokens": 25, "output_tokens": 64, "cache_read_tokens": 2048, "cache_creation_tokens": 512, "ttft_ms": 90 });
    for (known, winner) in [(usage, "claude_code.llm_request"), (json!({}), "claude_code.api_request")] {
        for batches in [[beta(known.clone()), record()], [record(), beta(known.clone())]] {
            let spans = stored(&batches);
            let calls = counted(&spans);
            assert_eq!(calls.len(), 1);
            assert_eq!((calls[0].name.as_str(), calls[0].usage.input_tokens()), (winner, Some(2585)));
            assert!(calls[0].cost.is_some());
        }
    }
    let spans = stored(&[record(), beta(json!({}))]);
    assert_eq!(spans.len(), 3, "no root is made beside the one that is sent");
    assert_eq!(named(&spans, "claude_code.interaction").kind, SpanType::Agent);
    assert_eq!(named(&spans, "claude_code.api_request").parent_span_id, Some(named(&spans, "claude_code.interaction").span_id));
}

#[test]
fn turn_in_its_own_trace_has_the_response() {
    let records = [
        within(claude(1, "user_prompt", json!({ "prompt": "Why?" })), "00000000000000aa"),
        within(claude(8, "assistant_response", json!({ "response": "Because.", "request_id": "req_1" })), "00000000000000aa"),
        within(claude(5, "tool_result", json!({ "tool_name": "Bash", "success": "true" })), "00000000000000aa"),
    ];
    let records = logs(CLAUDE_EVENTS, &records).spans;
    for batches in [[beta(json!({})), records.clone()], [records.clone(), beta(json!({}))]] {
        let spans = stored(&batches);
        let turn = named(&spans, "claude_code.interaction");
        assert_eq!(turn.output_messages[0].parts, [MessagePart::Text { text: "Because.".into() }]);
        assert_eq!((turn.input_messages.len(), turn.end_us - turn.start_us), (1, 9 * SECOND_US));
        assert_eq!(named(&spans, "claude_code.tool_result").kind, SpanType::Other, "the tool has a span of its own");
    }
}

#[test]
fn user_and_directory_are_read() {
    let resource = json!({ "service.name": "claude-code", "repository": "acme/shop", "vcs.ref.head.name": "main" });
    let request = request(8, json!({ "user.email": "aiko@example.com", "cache_creation_1h_tokens": 500 }));
    let body = json!({ "resourceLogs": [{
        "resource": { "attributes": pairs(&resource) },
        "scopeLogs": [{ "scope": { "name": CLAUDE_EVENTS }, "logRecords": [request] }],
    }] });
    let spans = decode(body.to_string().into(), OtlpSignal::Logs, OtlpEncoding::Json, &context()).unwrap().spans;
    let call = named(&spans, "claude_code.api_request");
    assert_eq!(
        (call.user_id.as_deref(), call.tags["repository"].as_str(), call.tags["branch"].as_str()),
        (Some("aiko@example.com"), "acme/shop", "main")
    );
    assert_eq!((call.usage.cache_write_5m, call.usage.cache_write_1h, call.usage.input_tokens()), (Some(12), Some(500), Some(2585)));
}

#[test]
fn records_without_a_prompt_are_dropped() {
    let started = record(1, json!({ "event.name": "mcp_server_connection", "session.id": "s", "status": "connected" }));
    assert_eq!(logs(CLAUDE_EVENTS, &[started]).spans, []);
}

#[test]
fn plain_event_names_are_ignored_in_other_scopes() {
    let plain = json!({ "model": "gpt-4o", "input_tokens": 25, "request_id": "r", "prompt": "p", "span.type": "web" });
    let found = &spans("shop", &[span("00000000000000aa", "", "claude_code.llm_request", [0, 1], plain)])[0];
    assert_eq!((found.kind, found.model(), found.response_id.as_deref()), (SpanType::Other, None, None));
    assert!(found.usage.is_unknown() && found.input_messages.is_empty());
}

const CODEX: &str = "codex_otel.log_only";

fn codex(seconds: u64, name: &str, more: Value) -> Value {
    let mut attributes = json!({ "event.name": name, "conversation.id": "c", "model": "gpt-5-mini" });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record(seconds, attributes)
}

#[test]
fn a_session_of_codex() {
    let completed = json!({
        "event.kind": "response.completed", "input_token_count": "300", "output_token_count": "640", "cached_token_count": "128",
        "reasoning_token_count": "512", "tool_token_count": "940",
    });
    let decoded = logs(
        CODEX,
        &[
            codex(1, "codex.user_prompt", json!({ "prompt": "Why?" })),
            codex(2, "codex.api_request", json!({ "duration_ms": "50", "http.response.status_code": "200" })),
            codex(3, "codex.sse_event", json!({ "event.kind": "response.created" })),
            codex(3, "codex.sse_event", json!({ "event.kind": "response.completed", "duration_ms": "5" })),
            codex(3, "codex.sse_event", completed),
            codex(
                4,
                "codex.tool_result",
                json!({ "tool_name": "shell", "call_id": "t1", "arguments": "ls", "output": "a b", "success": "true", "duration_ms": "1000" }),
            ),
            codex(5, "codex.sse_event", json!({ "event.kind": "response.failed", "error.message": "Overloaded" })),
        ],
    );
    assert_eq!(decoded.outcomes[0].quantity, 2, "what is no call is not kept");
    let calls = counted(&decoded.spans);
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].usage.input, calls[0].usage.output, calls[0].usage.total), (Some(172), Some(128), Some(940)));
    assert_eq!((calls[1].status, calls[1].status_detail.as_deref()), (SpanStatus::Error, Some("Overloaded")));
    let tool = named(&decoded.spans, "codex.tool_result");
    assert_eq!((tool.kind, tool.tool_call_id.as_deref(), tool.status), (SpanType::Tool, Some("t1"), SpanStatus::Ok));
    assert_eq!(tool.output_messages.len(), 1);
    assert_eq!(named(&decoded.spans, "codex.api_request").kind, SpanType::Other);
    assert_eq!(named(&decoded.spans, "codex.session").input_messages.len(), 1);
}

#[test]
fn failed_codex_request_is_a_call() {
    let refused = json!({ "http.response.status_code": 429, "error.message": "http 429", "duration_ms": 53, "attempt": 0 });
    let prompt = within(codex(1, "codex.user_prompt", json!({ "prompt": "Why?" })), "00000000000000aa");
    let decoded = logs(CODEX, &[prompt, codex(2, "codex.api_request", refused)]);
    let turn = named(&decoded.spans, "codex.session");
    assert!(turn.input_messages.len() == 1 && decoded.spans.iter().all(|span| span.trace_id == turn.trace_id));
    let calls = counted(&decoded.spans);
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].status, calls[0].status_detail.as_deref(), calls[0].usage.is_unknown()),
        (SpanStatus::Error, Some("http 429"), true)
    );
}

#[test]
fn calls_of_gemini_cli_are_those_of_its_records() {
    let event = |seconds, name: &str, more: Value| {
        let mut attributes = json!({ "event.name": name, "session.id": "s", "prompt_id": "s########0", "model": "gemini-2.5-pro" });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record(seconds, attributes)
    };
    let answer = json!({
        "input_token_count": 100, "output_token_count": 60, "cached_content_token_count": 40, "thoughts_token_count": 50,
        "tool_token_count": 0, "total_token_count": 210, "duration_ms": 2000, "status_code": 200, "response_text": "Because.",
    });
    let records = [
        event(1, "gemini_cli.user_prompt", json!({ "prompt": "Why?" })),
        within(event(4, "gemini_cli.api_response", answer), "00000000000000ab"),
        event(5, "gemini_cli.api_error", json!({ "error": "Quota", "error_type": "ClientError", "status_code": 429, "duration_ms": 5 })),
        event(6, "gemini_cli.tool_call", json!({ "function_name": "read_file", "function_args": "{}", "success": true, "duration_ms": 3 })),
    ];
    let outer = span(
        "00000000000000ab",
        "",
        "llm_call",
        [2, 4],
        json!({ "gen_ai.operation.name": "llm_call", "gen_ai.request.model": "gemini-2.5-pro", "gen_ai.input.messages": "Why?" }),
    );
    let spans = stored(&[logs("gemini-cli", &records).spans, spans("gemini-cli", &[outer])]);
    let calls = counted(&spans);
    assert_eq!(calls.len(), 2);
    let call = named(&spans, "gemini_cli.api_response");
    let turn = named(&spans, "gemini_cli.prompt");
    assert!(spans.iter().filter(|span| span.name.starts_with("gemini_cli.")).all(|span| span.trace_id == turn.trace_id));
    assert!(call.counted && call.cost.is_some() && !named(&spans, "llm_call").counted);
    assert_eq!((call.usage.input, call.usage.output, call.usage.output_tokens()), (Some(60), Some(60), Some(110)));
    assert_eq!((call.provider.as_deref(), call.output_messages.len()), (Some("google"), 1));
    assert_eq!(named(&spans, "gemini_cli.api_error").status, SpanStatus::Error);
    assert_eq!(named(&spans, "gemini_cli.tool_call").tool.as_deref(), Some("read_file"));
    assert_eq!(named(&spans, "gemini_cli.prompt").input_messages.len(), 1);
}

#[test]
fn calls_of_a_descendant_need_no_trace() {
    let event = |seconds, name: &str, more: Value| {
        let mut attributes = json!({ "event.name": name, "session.id": "s", "prompt_id": "s########0", "model": "gpt-4.1" });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record(seconds, attributes)
    };
    let answer = json!({
        "response_id": "chatcmpl-1", "input_token_count": 310, "output_token_count": 44, "cached_content_token_count": 0,
        "thoughts_token_count": 0, "total_token_count": 354, "duration_ms": 641, "status_code": 200, "response_text": "Two files.",
    });
    let records = [
        event(1, "qwen-code.user_prompt", json!({ "prompt": "List the files." })),
        event(2, "qwen-code.api_response", answer.clone()),
        event(3, "qwen-code.config", json!({})),
    ];
    let alone = stored(&[logs("qwen-code", &records).spans]);
    let calls = counted(&alone);
    assert_eq!((calls.len(), calls[0].usage.input_tokens(), calls[0].provider.as_deref()), (1, Some(310), Some("openai")));
    assert_eq!(named(&alone, "qwen-code.prompt").input_messages.len(), 1);
    let call = span(
        "00000000000000ab",
        "",
        "qwen-code.llm_request",
        [1, 2],
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1", "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.usage.input_tokens": 310, "gen_ai.usage.output_tokens": 44,
        }),
    );
    let record = within(event(2, "qwen-code.api_response", answer), "00000000000000ab");
    let both = stored(&[logs("qwen-code", &[record]).spans, spans("qwen-code", &[call])]);
    assert_eq!(counted(&both).len(), 1, "a span and a record report one call");
}

#[test]
fn record_without_session_has_its_own_trace() {
    let attributes =
        Map::from_iter([("event.name".to_owned(), json!("claude_code.api_request")), ("model".to_owned(), json!("claude-haiku-4-5"))]);
    let spans = logs("", &[record(1, Value::Object(attributes))]).spans;
    assert_eq!((spans.len(), spans[0].kind, spans[0].parent_span_id), (1, SpanType::Llm, None));
    let text = json!({ "timeUnixNano": AT_NS.to_string(), "body": { "stringValue": "codex.rs could not be opened" } });
    assert_eq!(logs("shop", &[text]).spans, [], "a text that begins like a name is none");
}
