//! Log records are joined with their call, in both encodings and in any order, and other records are counted.

use bytes::Bytes;
use prost::Message as _;
use serde_json::{Value, json};

use super::super::proto::{
    OtlpAnyValue, OtlpAnyValueKind, OtlpExportRequest, OtlpKeyValue, OtlpKeyValueList, OtlpLogRecord, OtlpResourceGroup, OtlpScopeGroup,
};
use super::super::{DecodedOtlpRequest, OtlpEncoding, OtlpSignal, decode};
use crate::clock::DecodeContext;
use crate::mapping::MappingRuleSet;
use crate::outcome::OutcomeCategory;
use crate::partial_spans::join_partial_spans;
use crate::price::PriceBook;
use crate::span::{MessagePart, Span, SpanType};
use crate::time::SECOND_US;

const NOW_US: i64 = 1_795_510_800 * SECOND_US;
const AT_NS: u64 = 1_795_510_000_000_000_123;

fn context() -> DecodeContext<'static> {
    DecodeContext {
        received_us: NOW_US,
        retention_us: Some(30 * 86_400 * SECOND_US),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    }
}

fn of_json(records: Value) -> DecodedOtlpRequest {
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }).to_string();
    decode(body.into(), OtlpSignal::Logs, OtlpEncoding::Json, &context()).unwrap()
}

fn of_binary(records: Vec<OtlpLogRecord>) -> DecodedOtlpRequest {
    let parts = records.into_iter().map(|record| record.encode_to_vec().into()).collect();
    let request =
        OtlpExportRequest { resources: vec![OtlpResourceGroup { resource: None, scopes: vec![OtlpScopeGroup { scope: None, parts }] }] };
    decode(request.encode_to_vec().into(), OtlpSignal::Logs, OtlpEncoding::Binary, &context()).unwrap()
}

fn text(value: &'static str) -> OtlpAnyValue {
    OtlpAnyValue { value: Some(OtlpAnyValueKind::Text(value.into())) }
}

fn pair(key: &'static str, value: OtlpAnyValue) -> OtlpKeyValue {
    OtlpKeyValue { key: key.into(), value: Some(value) }
}

fn message(name: &str, content: &str) -> Value {
    json!({
        "eventName": name, "observedTimeUnixNano": AT_NS.to_string(), "traceId": "07".repeat(16), "spanId": "08".repeat(8),
        "body": { "kvlistValue": { "values": [{ "key": "content", "value": { "stringValue": content } }] } },
        "attributes": [{ "key": "gen_ai.system", "value": { "stringValue": "openai" } }],
    })
}

fn said(messages: &[crate::span::ChatMessage]) -> Vec<(String, String)> {
    let text = |part: &MessagePart| if let MessagePart::Text { text } = part { text.clone() } else { format!("{part:?}") };
    messages.iter().map(|message| (message.role.clone(), message.parts.iter().map(text).collect())).collect()
}

#[test]
fn a_message_in_both_encodings() {
    let body = OtlpAnyValue { value: Some(OtlpAnyValueKind::Map(OtlpKeyValueList { values: vec![pair("content", text("Hi"))] })) };
    let record = OtlpLogRecord {
        observed_time_unix_nano: AT_NS,
        trace_id: vec![7; 16].into(),
        span_id: vec![8; 8].into(),
        event_name: "gen_ai.user.message".into(),
        attributes: vec![pair("gen_ai.system", text("openai"))],
        body: Some(body),
        ..OtlpLogRecord::default()
    };
    let of_binary = of_binary(vec![record]);
    assert_eq!(of_binary, of_json(json!([message("gen_ai.user.message", "Hi")])));
    let span = &of_binary.spans[0];
    assert_eq!((span.span_id.to_string(), span.start_us), ("08".repeat(8), (AT_NS / 1000) as i64));
    assert!(span.joined.as_ref().unwrap().awaited && !span.is_call());
    assert_eq!(said(&span.input_messages), [("user".to_owned(), "Hi".to_owned())]);
}

#[test]
fn messages_of_one_time_keep_their_order() {
    let names = ["gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message", "gen_ai.user.message", "gen_ai.choice"];
    let records: Vec<Value> = names.iter().zip(["a", "b", "c", "d", "e"]).map(|(name, content)| message(name, content)).collect();
    let whole = of_json(json!(records)).spans;
    assert_eq!(whole.len(), 1, "one span, joined at once");
    let roles: Vec<(String, String)> = said(&whole[0].input_messages);
    let expected = [("system", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")];
    assert_eq!(roles, expected.map(|(role, content)| (role.to_owned(), content.to_owned())));
    assert_eq!(said(&whole[0].output_messages), [("assistant".to_owned(), "e".to_owned())]);
    assert_eq!(
        join_partial_spans(&whole[0], &of_json(json!(records)).spans[0], PriceBook::embedded()),
        None,
        "sent again it is nothing new"
    );
    let twice: Vec<Value> = records.iter().chain(&records).cloned().collect();
    assert_eq!(of_json(json!(twice)).spans, whole);
}

#[test]
fn conversation_reported_before_and_after_the_call_is_shown_once() {
    let told = |at_ns: u64, more: Value| {
        let mut attributes = json!([
            { "key": "gen_ai.system_instructions", "value": { "stringValue": r#"[{"type":"text","content":"Be brief."}]"# } },
            { "key": "gen_ai.input.messages", "value": { "stringValue": r#"[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"# } },
        ]);
        attributes.as_array_mut().unwrap().extend(more.as_array().unwrap().clone());
        json!({
            "timeUnixNano": at_ns.to_string(), "traceId": "07".repeat(16), "spanId": "08".repeat(8), "attributes": attributes,
            "body": { "stringValue": "a call" }, "eventName": "gen_ai.client.inference.operation.details",
        })
    };
    let output = r#"[{"role":"assistant","parts":[{"type":"text","content":"Hello"}],"finish_reason":"stop"}]"#;
    let before = told(AT_NS, json!([]));
    let after = told(AT_NS + 5_000_000, json!([{ "key": "gen_ai.output.messages", "value": { "stringValue": output } }]));
    for records in [json!([before, after]), json!([after, before])] {
        let span = &of_json(records).spans[0];
        assert_eq!(said(&span.input_messages), [("system".to_owned(), "Be brief.".to_owned()), ("user".to_owned(), "Hi".to_owned())]);
        assert_eq!(said(&span.output_messages), [("assistant".to_owned(), "Hello".to_owned())]);
    }
}

#[test]
fn call_without_a_span_is_read_from_its_record() {
    let told = |more: Value| {
        let mut attributes = json!([
            { "key": "gen_ai.request.model", "value": { "stringValue": "gpt-4o" } },
            { "key": "gen_ai.usage.input_tokens", "value": { "intValue": "1000000" } },
            { "key": "gen_ai.input.messages", "value": { "stringValue": r#"[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"# } },
        ]);
        attributes.as_array_mut().unwrap().extend(more.as_array().unwrap().clone());
        let record = json!({
            "timeUnixNano": AT_NS.to_string(), "traceId": "07".repeat(16), "spanId": "08".repeat(8), "attributes": attributes,
            "eventName": "gen_ai.client.inference.operation.details",
        });
        of_json(json!([record])).spans.remove(0)
    };
    let call = told(json!([{ "key": "gen_ai.operation.name", "value": { "stringValue": "chat" } }]));
    assert_eq!((call.name.as_str(), call.kind, call.usage.input_tokens()), ("chat gpt-4o", SpanType::Llm, Some(1_000_000)));
    assert_eq!(said(&call.input_messages), [("user".to_owned(), "Hi".to_owned())]);
    // A record without an operation may be about anything.
    let unknown = told(json!([]));
    assert_eq!((unknown.name.as_str(), unknown.kind, unknown.usage.input_tokens()), ("", SpanType::Other, None));
}

#[test]
fn a_choice_tells_why_the_model_stopped() {
    let mut choice = message("gen_ai.choice", "x");
    let reason = json!({ "key": "finish_reason", "value": { "stringValue": "stop" } });
    match choice["attributes"].as_array_mut() {
        Some(attributes) => attributes.push(reason),
        None => choice["attributes"] = json!([reason]),
    }
    let told = of_json(json!([choice])).spans.remove(0);
    assert_eq!(told.finish_reasons, ["stop"]);
    let call = Span { name: "chat".into(), joined: None, output_messages: vec![], finish_reasons: vec![], ..told.clone() };
    assert_eq!(join_partial_spans(&call, &told, PriceBook::embedded()).unwrap().finish_reasons, ["stop"]);
}

#[test]
fn a_call_takes_its_messages_in_either_order() {
    let call = Span { name: "chat".into(), ..of_json(json!([message("gen_ai.choice", "x")])).spans[0].clone() };
    let call = Span { joined: None, output_messages: vec![], ..call };
    let asked = &of_json(json!([message("gen_ai.user.message", "Hi")])).spans[0];
    let (late, early) = (
        join_partial_spans(&call, asked, PriceBook::embedded()).unwrap(),
        join_partial_spans(asked, &call, PriceBook::embedded()).unwrap(),
    );
    assert_eq!(late, early);
    assert_eq!((late.name.as_str(), late.input_messages.len()), ("chat", 1));
}

#[test]
fn records_without_a_call_are_counted_as_dropped() {
    let mut without_span = message("gen_ai.user.message", "Hi");
    without_span.as_object_mut().unwrap().remove("spanId");
    let mut old = message("gen_ai.user.message", "Hi");
    old["observedTimeUnixNano"] = "1000000000000000000".into();
    let mut of_trace = message("shop.order", "x");
    of_trace["body"] = json!({ "stringValue": "an order" });
    let records = json!([7, without_span, old, of_trace, { "body": { "stringValue": "hello" } }, {}]);
    let decoded = of_json(records);
    assert_eq!(decoded.spans, []);
    let outcomes: Vec<(&str, u64)> = decoded.outcomes.iter().map(|outcome| (outcome.reason.as_str(), outcome.quantity)).collect();
    assert_eq!(outcomes, [("invalid_json", 1), ("too_old", 1), ("message_without_span", 1)]);
    let lines: Vec<_> = decoded.lines.iter().map(|line| (line.body.as_str(), line.trace_id.is_some())).collect();
    assert_eq!(lines, [("an order", true), ("hello", false), ("", false)]);
    assert!(decoded.outcomes.iter().all(|outcome| outcome.category == OutcomeCategory::Log));
}

#[test]
fn invalid_records_do_not_affect_others() {
    let good = OtlpLogRecord {
        event_name: "gen_ai.user.message".into(),
        trace_id: vec![7; 16].into(),
        span_id: vec![8; 8].into(),
        ..OtlpLogRecord::default()
    };
    let good = OtlpLogRecord { body: Some(text("Hi")), ..good };
    let parts = vec![Bytes::from_static(b"\xff\xff\xff"), good.encode_to_vec().into()];
    let request =
        OtlpExportRequest { resources: vec![OtlpResourceGroup { resource: None, scopes: vec![OtlpScopeGroup { scope: None, parts }] }] };
    let decoded = decode(request.encode_to_vec().into(), OtlpSignal::Logs, OtlpEncoding::Binary, &context()).unwrap();
    assert_eq!(decoded.outcomes[0].reason, "invalid_protobuf");
    assert_eq!(said(&decoded.spans[0].input_messages), [("user".to_owned(), "Hi".to_owned())]);
    assert_eq!(decoded.spans[0].start_us, NOW_US, "without any time it is the time of receipt");
}

#[test]
fn a_result_of_an_evaluation_is_a_score_and_no_log_line() {
    let result = |name: &str, trace: &str| {
        json!({
            "timeUnixNano": "1795510790000000000", "eventName": "gen_ai.evaluation.result", "traceId": trace, "spanId": "2".repeat(16),
            "attributes": [
                { "key": "gen_ai.evaluation.name", "value": { "stringValue": name } },
                { "key": "gen_ai.evaluation.score.value", "value": { "doubleValue": 0.5 } },
            ],
        })
    };
    let decoded = of_json(json!([result("Tone", &"1".repeat(32)), result("", &"1".repeat(32)), result("Tone", "")]));
    let scores: Vec<_> = decoded.scores.iter().map(|score| (score.name.as_str(), score.target.span_id.is_some(), score.value)).collect();
    assert_eq!(scores, [("Tone", true, Some(0.5))]);
    assert_eq!(decoded.lines.len(), 2, "a result without a name or a trace stays a log line");
}
