//! Inputs that other readers of telemetry have shown wrong: compares every case of `fixtures/reports` with its expected result.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hinomi_model::clock::DecodeContext;
use hinomi_model::dedup::duplicate_reports::hash_of_texts;
use hinomi_model::dedup::{SpanNode, decide_trace};
use hinomi_model::langfuse;
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::money::Usd;
use hinomi_model::otlp::{self, OtlpEncoding, OtlpSignal};
use hinomi_model::price::PriceBook;
use hinomi_model::sentry;
use hinomi_model::span::{ChatMessage, Span, SpanStatus, SpanType};
use serde_json::{Value, json};

/// 2026-11-24T09:00:00Z. The spans of a case start two minutes before.
const RECEIVED_US: i64 = 1_795_510_800_000_000;
const START_NS: i64 = (RECEIVED_US - 120_000_000) * 1000;

/// Replaces the times of a body, milliseconds after the start: `@ns+MS` in nanoseconds, `@s+MS` in seconds, `@iso+MS` as a date.
fn put_times(value: &mut Value) {
    match value {
        Value::String(text) => {
            let after = |mark: &str| Some(START_NS + text.strip_prefix(mark)?.parse::<i64>().ok()? * 1_000_000);
            if let Some(at) = after("@ns+") {
                *text = at.to_string();
            } else if let Some(at) = after("@iso+") {
                *text = jiff::Timestamp::from_nanosecond(at.into()).unwrap().to_string();
            } else if let Some(at) = after("@s+") {
                *value = json!(at as f64 / 1e9);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(put_times),
        Value::Object(object) => object.values_mut().for_each(put_times),
        _ => {}
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns the texts of messages, without white space.
fn texts(messages: &[ChatMessage]) -> String {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let values = parts.map(|part| serde_json::to_value(part).unwrap());
    let strings = values.flat_map(|part| {
        let members = part.as_object().cloned().unwrap_or_default();
        members.into_iter().filter(|(name, _)| name != "type").filter_map(|(_, value)| value.as_str().map(str::to_owned))
    });
    squeeze(&strings.collect::<Vec<_>>().join("\n"))
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Decodes a body that was sent to a path. The body of an envelope is a list of its lines.
fn decode(body: &Value, path: &str) -> Vec<Span> {
    let context = DecodeContext {
        received_us: RECEIVED_US,
        retention_us: Some(30 * 86_400_000_000),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    let of_signal = |signal| otlp::decode(body.to_string().into(), signal, OtlpEncoding::Json, &context).unwrap().spans;
    match path {
        "/v1/traces" => of_signal(OtlpSignal::Traces),
        "/v1/logs" => of_signal(OtlpSignal::Logs),
        "/api/public/ingestion" => langfuse::decode(body.to_string().as_bytes(), &context, &|_| None).unwrap().spans,
        "/api/1/envelope/" => {
            let lines: Vec<String> = body.as_array().unwrap().iter().map(Value::to_string).collect();
            sentry::decode(lines.join("\n").as_bytes(), &context).unwrap().spans
        }
        path => panic!("unknown path {path}"),
    }
}

/// Decodes the body of a case and decides which spans count, as the store does.
fn read(case: &Path) -> Vec<Span> {
    let mut body = json_of(&case.join("body.json"));
    put_times(&mut body);
    let request = case.join("request.json");
    let path = if request.exists() { json_of(&request)["path"].as_str().unwrap().to_owned() } else { "/v1/traces".to_owned() };
    let mut spans = decode(&body, &path);
    let mut traces: BTreeMap<_, Vec<&mut Span>> = BTreeMap::new();
    for span in &mut spans {
        traces.entry(span.trace_id).or_default().push(span);
    }
    for trace in traces.values_mut() {
        let node = |span: &&mut Span| {
            let of = |messages: &[ChatMessage]| messages.last().map(|last| texts(std::slice::from_ref(last)));
            let both = hash_of_texts(of(&span.input_messages).as_deref(), of(&span.output_messages).as_deref());
            SpanNode { texts: both.filter(|_| span.is_call()), ..SpanNode::of(span) }
        };
        let nodes: Vec<SpanNode> = trace.iter().map(node).collect();
        for (span, decision) in trace.iter_mut().zip(decide_trace(&nodes)) {
            decision.apply(span);
        }
    }
    spans
}

/// Differences of one case.
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, what: &str, got: Value, want: &Value) {
        let near = |one: &Value, other: &Value| one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| (one - other).abs() < 1e-9);
        let fits = |want: &Value| got == *want || near(&got, want);
        let is_list_of_alternatives = want.as_array().is_some_and(|_| !got.is_array());
        let fits = if is_list_of_alternatives { want.as_array().unwrap().iter().any(fits) } else { fits(want) };
        if !fits {
            self.0.push(format!("{what} is {got}, should be {want}"));
        }
    }
}

fn dollars(cost: Option<Usd>) -> Value {
    cost.map_or(Value::Null, |cost| json!(cost.dollars()))
}

fn compare_totals(trace: &Value, spans: &[&Span], differences: &mut Differences) {
    let calls: Vec<&&Span> = spans.iter().filter(|span| span.is_call() && span.counted).collect();
    let sum = |of: fn(&Span) -> Option<u64>| calls.iter().filter_map(|span| of(span)).sum::<u64>();
    for (name, want) in trace["totals"].as_object().into_iter().flatten() {
        let got = match name.as_str() {
            "llm_calls" => json!(calls.len()),
            "failed_llm_calls" => json!(calls.iter().filter(|span| span.status == SpanStatus::Error).count()),
            "calls_without_usage" => {
                json!(calls.iter().filter(|span| span.usage.is_unknown() && span.status != SpanStatus::Error).count())
            }
            "unpriced_calls" => json!(calls.iter().filter(|span| !span.usage.is_unknown() && span.cost.is_none()).count()),
            "tool_calls" => json!(spans.iter().filter(|span| span.kind == SpanType::Tool).count()),
            "input_tokens" => json!(sum(|span| span.usage.input_tokens())),
            "output_tokens" => json!(sum(|span| span.usage.output_tokens())),
            "cost" => json!(calls.iter().filter_map(|span| span.cost.as_ref()).map(|cost| cost.total).sum::<Usd>().dollars()),
            // These belong to the trace as the query engine shows it.
            _ => continue,
        };
        differences.compare(&format!("{name} of {}", trace["trace_id"]), got, want);
    }
}

fn compare_span(want: &Value, span: &Span, differences: &mut Differences) {
    let label = |what: &str| format!("{what} of {} {:?}", want["span_id"], span.name);
    let usage = |name: &str| match name {
        "input_tokens" => span.usage.input_tokens(),
        "output_tokens" => span.usage.output_tokens(),
        "cache_read_tokens" => span.usage.cache_read,
        "cache_write_tokens" => span.usage.cache_write_tokens(),
        "reasoning_tokens" => span.usage.reasoning,
        name => panic!("unknown count {name}"),
    };
    let duration_ms = (span.end_us - span.start_us) as f64 / 1000.0;
    let ttft_ms = span.time_to_first_token_us.map(|us| us as f64 / 1000.0);
    for (name, want) in want.as_object().unwrap() {
        let mut same = |got: Value| differences.compare(&label(name), got, want);
        match name.as_str() {
            "kind" => same(json!(span.kind.as_str())),
            "not_kind" => {
                let is_one = want.as_array().unwrap().iter().any(|kind| kind == span.kind.as_str());
                differences.compare(&label("kind"), json!(if is_one { span.kind.as_str() } else { "another" }), &json!("another"));
            }
            "model" => same(json!(span.model())),
            "provider" => same(json!(span.provider)),
            "status" => same(json!(span.status.as_str())),
            "counted" => same(json!(span.counted && span.is_call())),
            "agent" => same(json!(span.agent)),
            "tool" => same(json!(span.tool)),
            "session_id" => same(json!(span.session_id)),
            "user_id" => same(json!(span.user_id)),
            "finish_reasons" => same(json!(span.finish_reasons)),
            "cost" => same(dollars(span.cost.as_ref().map(|cost| cost.total))),
            "client_cost" => same(dollars(span.client_cost)),
            "duration_ms" => same(json!(duration_ms)),
            "ttft_ms" => same(json!(ttft_ms)),
            "usage" => {
                for (name, want) in want.as_object().unwrap() {
                    differences.compare(&label(name), json!(usage(name)), want);
                }
            }
            "input_has" | "output_has" | "output_lacks" => {
                let text = texts(if name == "input_has" { &span.input_messages } else { &span.output_messages });
                for want in want.as_array().unwrap().iter().map(|want| want.as_str().unwrap()) {
                    let has = text.contains(&squeeze(want));
                    differences.compare(&label(&format!("{name} {want:?} in {text:?}")), json!(has), &json!(name != "output_lacks"));
                }
            }
            "status_detail_has" => {
                let detail = span.status_detail.as_deref().unwrap_or_default();
                differences.compare(&label("detail"), json!(detail.contains(want.as_str().unwrap())), &json!(true));
            }
            "span_id" | "trace" => {}
            name => panic!("unknown expectation {name}"),
        }
    }
}

fn compare(case: &Path) -> Vec<String> {
    let expect = json_of(&case.join("expect.json"));
    let spans = read(case);
    let mut differences = Differences(Vec::new());
    for want in expect["traces"].as_array().unwrap() {
        let id = langfuse::trace_id(want["trace_id"].as_str().unwrap());
        let of_trace: Vec<&Span> = spans.iter().filter(|span| span.trace_id == id).collect();
        differences.compare(&format!("absence of the trace {}", want["trace_id"]), json!(of_trace.is_empty()), &json!(false));
        compare_totals(want, &of_trace, &mut differences);
    }
    for want in expect["spans"].as_array().unwrap() {
        let id = langfuse::span_id(want["span_id"].as_str().unwrap());
        match spans.iter().find(|span| span.span_id == id) {
            Some(span) => compare_span(want, span, &mut differences),
            None => differences.0.push(format!("span {} is missing", want["span_id"])),
        }
    }
    let name = case.file_name().unwrap().to_string_lossy().into_owned();
    differences.0.into_iter().map(|difference| format!("{name}: {difference}")).collect()
}

#[test]
fn every_report_is_read_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/reports");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 20, "the cases are there");
    let wrong: Vec<String> = cases.iter().flat_map(|case| compare(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
