//! Both encodings decode to the same, and invalid parts affect only themselves.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::proto::{
    OtlpAnyValue, OtlpAnyValueKind, OtlpExportRequest, OtlpKeyValue, OtlpKeyValueList, OtlpLogRecord, OtlpResource, OtlpResourceGroup,
    OtlpScope, OtlpScopeGroup, OtlpSpan, OtlpSpanLink, OtlpStatus,
};
use super::*;
use crate::mapping::MappingRuleSet;
use crate::price::PriceBook;
use crate::span::SpanStatus;
use crate::time::SECOND_US;

const NOW_US: i64 = 1_795_510_800 * SECOND_US;

fn context() -> DecodeContext<'static> {
    DecodeContext {
        received_us: NOW_US,
        retention_us: Some(30 * 86_400 * SECOND_US),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    }
}

fn pair(key: &'static str, value: OtlpAnyValueKind) -> OtlpKeyValue {
    OtlpKeyValue { key: key.into(), value: Some(OtlpAnyValue { value: Some(value) }) }
}

fn call() -> OtlpSpan {
    OtlpSpan {
        trace_id: vec![7; 16].into(),
        span_id: vec![8; 8].into(),
        name: "chat gpt-4o".into(),
        kind: 3,
        start_time_unix_nano: 1_795_500_000_000_000_000,
        end_time_unix_nano: 1_795_500_001_500_000_000,
        attributes: vec![
            pair("gen_ai.operation.name", OtlpAnyValueKind::Text("chat".into())),
            pair("gen_ai.provider.name", OtlpAnyValueKind::Text("openai".into())),
            pair("gen_ai.request.model", OtlpAnyValueKind::Text("gpt-4o".into())),
            pair("gen_ai.usage.input_tokens", OtlpAnyValueKind::Int(26)),
            pair("gen_ai.usage.output_tokens", OtlpAnyValueKind::Int(217)),
        ],
        status: Some(OtlpStatus { code: 2, message: "overloaded".into() }),
        ..OtlpSpan::default()
    }
}

fn request(spans: Vec<Bytes>) -> Bytes {
    let resource = OtlpResource { attributes: vec![pair("service.name", OtlpAnyValueKind::Text("shop".into()))] };
    let scope = OtlpScope { name: "openai_v2".into(), ..OtlpScope::default() };
    let scopes = vec![OtlpScopeGroup { scope: Some(scope), parts: spans }];
    OtlpExportRequest { resources: vec![OtlpResourceGroup { resource: Some(resource), scopes }] }.encode_to_vec().into()
}

fn of_binary(body: Bytes) -> DecodedOtlpRequest {
    decode(body, OtlpSignal::Traces, OtlpEncoding::Binary, &context()).unwrap()
}

#[test]
fn links_are_kept_with_their_attributes_from_both_encodings() {
    let link = |span: u8, attributes| OtlpSpanLink { trace_id: vec![9; 16].into(), span_id: vec![span; 8].into(), attributes };
    let nowhere = OtlpSpanLink { trace_id: vec![0; 16].into(), ..OtlpSpanLink::default() };
    let sent = OtlpSpan { links: vec![link(5, vec![pair("retry", OtlpAnyValueKind::Int(2))]), link(6, vec![]), nowhere], ..call() };
    let json = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": "07".repeat(16), "spanId": "08".repeat(8), "name": "chat gpt-4o",
        "startTimeUnixNano": "1795500000000000000", "endTimeUnixNano": "1795500001500000000",
        "links": [
            {"traceId": "09".repeat(16), "spanId": "05".repeat(8), "attributes": [{"key": "retry", "value": {"intValue": "2"}}]},
            {"traceId": "09".repeat(16), "spanId": "06".repeat(8)},
            {"traceId": "00".repeat(16), "spanId": "00".repeat(8)},
        ],
    }] }] }] });
    let of_json = decode(json.to_string().into(), OtlpSignal::Traces, OtlpEncoding::Json, &context()).unwrap();
    for span in [&of_binary(request(vec![sent.encode_to_vec().into()])).spans[0], &of_json.spans[0]] {
        let links = crate::span_links::of(&span.attributes);
        let spans: Vec<String> = links.iter().map(|link| link.span_id.to_string()).collect();
        assert_eq!(spans, ["05".repeat(8), "06".repeat(8)]);
        assert_eq!((links[0].trace_id.to_string(), &links[0].attributes["retry"]), ("09".repeat(16), &json!(2)));
        assert!(links[1].attributes.is_empty());
    }
    let other = crate::span::Attributes::from_iter([("otel.links".to_owned(), json!("no list"))]);
    assert_eq!(crate::span_links::of(&other), []);
}

#[test]
fn sample_rate_is_read_from_trace_state_in_both_encodings() {
    let sampled = OtlpSpan { trace_state: "congo=t61,ot=th:c;rv:d29d6a7215ced0".into(), ..call() };
    let of_binary = of_binary(request(vec![sampled.encode_to_vec().into()]));
    let json = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": "07".repeat(16), "spanId": "08".repeat(8), "name": "chat gpt-4o", "traceState": "congo=t61,ot=th:c;rv:d29d6a7215ced0",
        "startTimeUnixNano": "1795500000000000000", "endTimeUnixNano": "1795500001500000000",
    }] }] }] });
    let of_json = decode(json.to_string().into(), OtlpSignal::Traces, OtlpEncoding::Json, &context()).unwrap();
    for span in [&of_binary.spans[0], &of_json.spans[0]] {
        assert_eq!(span.sample_rate, Some(0.25));
        assert_eq!(span.attributes["otel.trace_state"], "congo=t61,ot=th:c;rv:d29d6a7215ced0", "kept as it came");
    }
    assert_eq!(of_binary.spans[0].reading.last().map(|reading| reading.field.as_ref()), Some("sample_rate"));
    let seen = crate::hints::evidence_in_spans(&of_binary.spans);
    let sampled = seen.iter().find(|evidence| evidence.hint == crate::hints::InstrumentationHint::Sampled).unwrap();
    assert_eq!((sampled.is_against, sampled.value), (false, Some(0.25)));
}

#[test]
fn a_call_in_both_encodings() {
    let json = json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
        "scopeSpans": [{ "scope": { "name": "openai_v2" }, "spans": [{
            "traceId": "07".repeat(16), "spanId": "08".repeat(8), "name": "chat gpt-4o", "kind": 3,
            "startTimeUnixNano": "1795500000000000000", "endTimeUnixNano": "1795500001500000000",
            "attributes": [
                { "key": "gen_ai.operation.name", "value": { "stringValue": "chat" } },
                { "key": "gen_ai.provider.name", "value": { "stringValue": "openai" } },
                { "key": "gen_ai.request.model", "value": { "stringValue": "gpt-4o" } },
                { "key": "gen_ai.usage.input_tokens", "value": { "intValue": "26" } },
                { "key": "gen_ai.usage.output_tokens", "value": { "intValue": 217 } },
            ],
            "status": { "code": 2, "message": "overloaded" },
        }] }],
    }] });
    let of_json = decode(json.to_string().into(), OtlpSignal::Traces, OtlpEncoding::Json, &context()).unwrap();
    let of_binary = of_binary(request(vec![call().encode_to_vec().into()]));
    assert_eq!(of_json, of_binary);
    let span = &of_binary.spans[0];
    assert_eq!((span.usage.input, span.usage.output, span.status), (Some(26), Some(217), SpanStatus::Error));
    assert_eq!((span.service.as_deref(), span.origin.as_deref()), (Some("shop"), Some("openai_v2")));
    assert_eq!(span.end_us - span.start_us, 1_500_000);
    assert!(span.cost.is_some());
}

#[test]
fn invalid_spans_do_not_affect_others() {
    let mut bad_text = call();
    bad_text.name = Bytes::from_static(b"chat \xff");
    bad_text.span_id = vec![9; 8].into();
    let no_id = OtlpSpan { trace_id: Bytes::new(), ..call() };
    let no_time = OtlpSpan { start_time_unix_nano: 0, end_time_unix_nano: 0, ..call() };
    let spans = vec![
        Bytes::from_static(b"\xff\xff\xff"),
        no_id.encode_to_vec().into(),
        no_time.encode_to_vec().into(),
        bad_text.encode_to_vec().into(),
    ];
    let decoded = of_binary(request(spans));
    let reasons: Vec<&str> = decoded.outcomes.iter().map(|outcome| outcome.reason.as_str()).collect();
    assert_eq!(reasons, ["invalid_protobuf", "invalid_trace_id"]);
    assert_eq!((decoded.spans.len(), decoded.spans[0].start_us, decoded.spans[0].end_us), (2, NOW_US, NOW_US));
    let of_times = decoded.spans[0].reading.iter().filter(|noted| noted.field.ends_with("_time"));
    assert_eq!(of_times.map(|noted| noted.source.kind()).collect::<Vec<_>>(), ["received_at", "received_at"], "where no time is known");
    assert_eq!(decoded.spans[1].name, "chat \u{fffd}");
}

#[test]
fn response_reports_rejected_items() {
    assert_eq!(response(OtlpSignal::Traces, OtlpEncoding::Binary, &[]), b"");
    assert_eq!(response(OtlpSignal::Traces, OtlpEncoding::Json, &[]), b"{}");
    let outcomes = [
        crate::otlp::span::dropped(OutcomeCategory::Span, OutcomeReason::TooOld),
        crate::otlp::span::dropped(OutcomeCategory::Span, OutcomeReason::TooOld),
    ];
    let said: Value = serde_json::from_slice(&response(OtlpSignal::Traces, OtlpEncoding::Json, &outcomes)).unwrap();
    assert_eq!(said, json!({ "partialSuccess": { "rejectedSpans": "2", "errorMessage": "too_old" } }));
    let unwanted = Outcome::dropped(OutcomeCategory::Log, OutcomeReason::NotLlmTelemetry, None);
    assert_eq!(response(OtlpSignal::Logs, OtlpEncoding::Json, &[unwanted]), b"{}");
}

#[test]
fn exceptions_become_error_events() {
    let exception = |kind: &str, at: u64| {
        let attributes = json!([
            { "key": "exception.type", "value": { "stringValue": kind } },
            { "key": "exception.message", "value": { "stringValue": "slow down" } },
            { "key": "exception.stacktrace", "value": { "stringValue": "Traceback (most recent call last):\n  File \"/app/a.py\", line 9, in f\n    x()" } },
        ]);
        json!({ "name": "exception", "timeUnixNano": at.to_string(), "attributes": attributes })
    };
    let at = 1_795_500_001_000_000_000u64;
    let span = |id: &str, parent: &str, events: Value| {
        json!({ "traceId": "07".repeat(16), "spanId": id.repeat(8), "parentSpanId": parent.repeat(8), "name": "chat", "events": events,
            "startTimeUnixNano": "1795500000000000000", "endTimeUnixNano": "1795500001500000000", "status": { "code": 2 } })
    };
    let parent = span("02", "", json!([exception("openai.RateLimitError", at + 2_000)]));
    let child = span("01", "02", json!([exception("openai.RateLimitError", at)]));
    let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }, { "key": "service.version", "value": { "stringValue": "7" } }] });
    let body = json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [parent, child] }] }] });
    let decoded = decode(body.to_string().into(), OtlpSignal::Traces, OtlpEncoding::Json, &context()).unwrap();
    assert_eq!((decoded.spans.len(), decoded.errors.len()), (2, 2));
    let [inner, outer] = &decoded.errors[..] else { panic!("two") };
    assert_eq!(
        (inner.span_id, inner.parent_span_id),
        (outer.parent_span_id.is_none().then_some(decoded.spans[1].span_id), Some(decoded.spans[0].span_id))
    );
    assert_eq!(
        (inner.kind.as_str(), inner.value.as_str(), inner.culprit.as_deref()),
        ("RateLimitError", "slow down", Some("f in /app/a.py"))
    );
    assert_eq!((inner.release.as_deref(), inner.service.as_deref(), inner.reporter), (Some("7"), Some("shop"), ErrorReporter::SpanEvent));
    assert_eq!(inner.group, outer.group);
}

#[test]
fn log_records_become_lines_and_errors() {
    let exception = json!([{ "key": "exception.type", "value": { "stringValue": "E" } }]);
    let record = |more: Value| {
        let mut record = json!({ "traceId": "07".repeat(16), "spanId": "08".repeat(8), "timeUnixNano": "1795500001000000000" });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let records = [
        record(json!({ "severityNumber": 13, "body": { "stringValue": "slow" } })),
        record(json!({ "severityNumber": 13, "body": { "stringValue": "slow" } })),
        record(json!({ "severityNumber": "SEVERITY_NUMBER_ERROR2", "body": { "kvlistValue": { "values": [] } }, "attributes": exception })),
        record(json!({ "severityText": "Information", "eventName": "shop.paid", "spanId": "" })),
        record(json!({ "traceId": "", "body": { "stringValue": "nowhere" } })),
        record(json!({ "traceId": "", "severityNumber": 21, "attributes": exception })),
    ];
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "scope": { "name": "shop" }, "logRecords": records }] }] }).to_string();
    let decoded = decode(body.clone().into(), OtlpSignal::Logs, OtlpEncoding::Json, &context()).unwrap();
    let said: Vec<_> =
        decoded.lines.iter().map(|line| (line.level.map(|level| level.as_str()), line.body.as_str(), line.span_id.is_some())).collect();
    let wanted = [
        (Some("warn"), "slow", true),
        (Some("warn"), "slow", true),
        (Some("error"), "{}", true),
        (Some("info"), "shop.paid", false),
        (None, "nowhere", false),
        (Some("fatal"), "E", false),
    ];
    assert_eq!(said, wanted);
    assert_ne!(decoded.lines[0].key, decoded.lines[1].key, "two lines of one moment");
    assert_eq!(decoded.lines[0].attributes["otel.scope.name"], "shop");
    let errors: Vec<_> = decoded.errors.iter().map(|error| (error.level.as_str(), error.trace_id.is_some(), error.kind.as_str())).collect();
    assert_eq!(errors, [("error", true, "E"), ("fatal", false, "E")]);
    assert_eq!(decoded.outcomes, []);
    assert_eq!(response(OtlpSignal::Logs, OtlpEncoding::Json, &decoded.outcomes), b"{}", "nothing that a client could mend");
    assert_eq!(decode(body.into(), OtlpSignal::Logs, OtlpEncoding::Json, &context()).unwrap(), decoded);
}

#[test]
fn the_same_record_of_two_programs_is_two_lines_and_two_errors() {
    let exception = json!([{ "key": "exception.type", "value": { "stringValue": "E" } }]);
    let record = json!({ "timeUnixNano": "1795500001000000000", "body": { "stringValue": "GET /healthz" }, "attributes": exception });
    let of_host = |host: &str| {
        let resource = json!({ "attributes": [{ "key": "host.name", "value": { "stringValue": host } }] });
        let body = json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [record] }] }] }).to_string();
        let decoded = decode(body.into(), OtlpSignal::Logs, OtlpEncoding::Json, &context()).unwrap();
        (decoded.lines[0].key, decoded.errors[0].event_id.clone())
    };
    let (first, second) = (of_host("a"), of_host("b"));
    assert!(first.0 != second.0 && first.1 != second.1);
    assert_eq!(of_host("a"), first, "a repeat is one");
}

/// Returns a request with log records of every supported kind, to be damaged.
fn logs() -> Vec<u8> {
    let record = |name: &'static str, body: OtlpAnyValueKind| {
        let attributes = vec![
            pair("event.name", OtlpAnyValueKind::Text(name.into())),
            pair("session.id", OtlpAnyValueKind::Text("s".into())),
            pair("duration_ms", OtlpAnyValueKind::Double(-1e300)),
            pair("input_tokens", OtlpAnyValueKind::Int(-5)),
            pair("request_id", OtlpAnyValueKind::Text("r".into())),
            pair("response", OtlpAnyValueKind::Text("text".into())),
            pair("event.timestamp", OtlpAnyValueKind::Text("9999-12-31T23:59:60Z".into())),
        ];
        let body = Some(OtlpAnyValue { value: Some(body) });
        OtlpLogRecord { trace_id: vec![7; 16].into(), attributes, body, ..OtlpLogRecord::default() }.encode_to_vec().into()
    };
    let content = OtlpKeyValueList { values: vec![pair("content", OtlpAnyValueKind::Text("[{\"a\":1}]".into()))] };
    let parts = vec![
        record("claude_code.api_request", OtlpAnyValueKind::Int(1)),
        record("claude_code.assistant_response", OtlpAnyValueKind::Bool(true)),
        record("codex.sse_event", OtlpAnyValueKind::Text("{".into())),
        record("gemini_cli.api_response", OtlpAnyValueKind::Double(f64::NAN)),
        record("gen_ai.choice", OtlpAnyValueKind::Map(content)),
        record("gen_ai.client.inference.operation.details", OtlpAnyValueKind::Text("[".into())),
    ];
    let scopes = vec![OtlpScopeGroup { scope: None, parts }];
    OtlpExportRequest { resources: vec![OtlpResourceGroup { resource: None, scopes }] }.encode_to_vec()
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200), damaged in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        for encoding in [OtlpEncoding::Binary, OtlpEncoding::Json] {
            let _ = decode(bytes.clone().into(), OtlpSignal::Traces, encoding, &context());
            let _ = decode(bytes.clone().into(), OtlpSignal::Logs, encoding, &context());
            let _ = decode(bytes.clone().into(), OtlpSignal::Metrics, encoding, &context());
        }
        for (signal, mut body) in [(OtlpSignal::Traces, request(vec![call().encode_to_vec().into()]).to_vec()), (OtlpSignal::Logs, logs())] {
            for (at, byte) in &damaged {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            let _ = decode(body.into(), signal, OtlpEncoding::Binary, &context());
        }
    }
}
