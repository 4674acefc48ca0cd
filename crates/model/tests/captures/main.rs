//! Decodes the requests of real clients: compares every case of `fixtures/captures` with its expected result.

mod expected;
mod scores;
mod strange_input;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use hinomi_model::clock::DecodeContext;
use hinomi_model::dedup::{SpanNode, decide_trace};
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::otlp::{self, OtlpEncoding, OtlpSignal};
use hinomi_model::partial_spans;
use hinomi_model::price::PriceBook;
use hinomi_model::sentry::{ErrorEvent, decode};
use hinomi_model::span::{Span, SpanType};
use serde_json::Value;

use expected::compare;

/// 2026-11-24T09:00:00Z: one day after the captures were made, so that their times are corrected.
const RECEIVED_US: i64 = 1_795_510_800_000_000;

fn context() -> DecodeContext<'static> {
    DecodeContext {
        received_us: RECEIVED_US,
        retention_us: Some(30 * 86_400_000_000),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures");
    let mut cases: Vec<PathBuf> = folders(&root).iter().flat_map(|client| folders(client)).collect();
    // These arrive in two traces, which the store joins: see the server's tests.
    cases.retain(|case| case.join("expect.json").exists() && !case.file_name().unwrap().to_string_lossy().starts_with("proxy-first"));
    // IDs of another shape: see the tests of `langfuse`.
    cases.retain(|case| !std::fs::read_to_string(case.join("expect.json")).unwrap().contains("\"ids_as_sent\": true"));
    cases.sort();
    assert!(cases.len() >= 60, "the captures are there");
    cases
}

fn of_sentry(case: &Path) -> bool {
    case.parent().unwrap().file_name().unwrap().to_string_lossy().starts_with("sentry-")
}

/// Returns the folders of a case's requests in the order of arrival.
fn requests(case: &Path) -> Vec<PathBuf> {
    let mut requests = folders(case);
    requests.push(case.to_owned());
    requests.retain(|folder| folder.join("body.decoded").exists());
    // Requests without spans, which `langfuse::scores` reads.
    requests.retain(|folder| !std::fs::read_to_string(folder.join("request.json")).unwrap().contains("/api/public/scores"));
    requests.sort();
    requests
}

fn bodies(case: &Path) -> Vec<Vec<u8>> {
    requests(case).into_iter().map(|folder| std::fs::read(folder.join("body.decoded")).unwrap()).collect()
}

/// Returns the signal that a path of OTLP takes.
fn signal_of(path: &str) -> Option<OtlpSignal> {
    let signals = [
        ("traces", OtlpSignal::Traces),
        ("TraceService", OtlpSignal::Traces),
        ("/logs", OtlpSignal::Logs),
        ("LogsService", OtlpSignal::Logs),
        ("/metrics", OtlpSignal::Metrics),
        ("MetricsService", OtlpSignal::Metrics),
    ];
    signals.into_iter().find(|(part, _)| path.contains(part)).map(|(_, signal)| signal)
}

/// Decodes one request.
fn decoded(folder: &Path) -> (Vec<Span>, Vec<ErrorEvent>) {
    let request: Value = serde_json::from_slice(&std::fs::read(folder.join("request.json")).unwrap()).unwrap();
    let body = std::fs::read(folder.join("body.decoded")).unwrap();
    let path = request["path"].as_str().unwrap();
    match signal_of(path) {
        Some(signal) => {
            let encoding =
                if request["headers"].to_string().contains("application/json") { OtlpEncoding::Json } else { OtlpEncoding::Binary };
            let decoded = otlp::decode(body.into(), signal, encoding, &context()).unwrap();
            (decoded.spans, decoded.errors)
        }
        None => {
            let decoded = decode(&body, &context()).unwrap();
            (decoded.spans, decoded.errors)
        }
    }
}

/// Returns all spans of a case with the decisions of their traces.
fn read(case: &Path) -> (Vec<Span>, Vec<ErrorEvent>) {
    read_in_order(&requests(case))
}

fn read_in_order(requests: &[PathBuf]) -> (Vec<Span>, Vec<ErrorEvent>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut errors = Vec::new();
    let mut places = HashMap::new();
    for folder in requests {
        let (more, more_errors) = decoded(folder);
        errors.extend(more_errors);
        for span in more {
            match places.get(&(span.trace_id, span.span_id)) {
                Some(place) => {
                    let known: &mut Span = &mut spans[*place];
                    *known = partial_spans::join_partial_spans(known, &span, PriceBook::embedded()).unwrap_or_else(|| known.clone());
                }
                None => {
                    places.insert((span.trace_id, span.span_id), spans.len());
                    spans.push(span);
                }
            }
        }
    }
    let mut traces: BTreeMap<_, Vec<&mut Span>> = BTreeMap::new();
    for span in &mut spans {
        traces.entry(span.trace_id).or_default().push(span);
    }
    for trace in traces.values_mut() {
        let nodes: Vec<SpanNode> = trace.iter().map(|span| SpanNode::of(span)).collect();
        for (span, decision) in trace.iter_mut().zip(decide_trace(&nodes)) {
            decision.apply(span);
        }
    }
    (spans, errors)
}

#[test]
fn every_capture_is_read_correctly() {
    let wrong: Vec<String> = cases().iter().flat_map(|case| compare(case, &requests(case))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_order_of_requests_does_not_matter() {
    let sorted = |mut spans: Vec<Span>| {
        spans.sort_by_key(|span| (span.trace_id, span.span_id));
        spans
    };
    for case in cases() {
        let backwards: Vec<PathBuf> = requests(&case).into_iter().rev().collect();
        let wrong = compare(&case, &backwards);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(sorted(read(&case).0), sorted(read_in_order(&backwards).0), "{}", case.display());
    }
}

#[test]
fn article_spans_belong_to_their_pipeline() {
    for client in ["sentry-python-2.20", "sentry-python-2.75"] {
        let case = cases().into_iter().find(|case| case.ends_with(format!("{client}/blog-example"))).unwrap();
        let (spans, _) = read(&case);
        let call = spans.iter().find(|span| span.kind == SpanType::Llm).unwrap();
        assert_eq!((call.pipeline.as_deref(), call.is_run), (Some("GPT-3.5 Pipeline"), false));
        let runs: Vec<&str> = spans.iter().filter(|span| span.is_run).map(|span| span.op.as_str()).collect();
        assert_eq!(runs, ["ai.pipeline"]);
        assert_eq!(spans.iter().find(|span| span.parent_span_id.is_none()).unwrap().pipeline, None);
    }
}

#[test]
fn errors_have_a_location() {
    for (case, culprit) in [
        ("sentry-python-2.20/openai-error-429", "_request in openai/_base_client.py"),
        ("sentry-python-2.75/openai-error-429", "request in openai/_base_client.py"),
        ("sentry-node-10/openai-error", "/app/sentry_js_openai.mjs"),
        ("sentry-node-11/openai-error", "APIError.generate in /app/node_modules/openai/core/error.mjs"),
    ] {
        let path = cases().into_iter().find(|path| path.ends_with(case)).unwrap();
        let (_, errors) = read(&path);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].culprit.as_deref(), Some(culprit), "{case}");
        assert!(errors[0].trace_id.is_some() && errors[0].exceptions[0].frames.iter().any(|frame| frame.source.is_some()));
    }
}

/// Compares one complete span for each kind of client with its snapshot, so that any change of meaning is visible.
#[test]
fn spans_as_they_are_stored() {
    for (case, span_id) in [
        ("sentry-python-2.20/blog-example", "b0509cd484600850"),
        ("sentry-python-2.75/blog-example", "a95d7aac178ba5ab"),
        ("sentry-python-2.75/anthropic-tools", "9152abd4bfcd9c04"),
        ("sentry-python-2.75/langchain-agent", "8e5cc091fa6a453a"),
        ("sentry-node-10/vercel-generate", "8c229a6835979c27"),
        ("sentry-node-11/openai-error", "a5d212829ed68dc2"),
        ("otel-openai-v2/tools", "2fb77d800f1c93ab"),
        // Their IDs are derived from the records and must not change.
        ("claude-code/json-prompt", "0a29352e9283cc40"),
        ("claude-code/json-prompt", "b6735e1b295ee31f"),
        ("codex/logs-json", "6707cefa21af8aa9"),
    ] {
        let path = cases().into_iter().find(|path| path.ends_with(case)).unwrap();
        let (spans, _) = read(&path);
        let span = spans.into_iter().find(|span| span.span_id.to_string() == span_id).unwrap();
        insta::assert_json_snapshot!(format!("{}-{span_id}", case.replace('/', "-")), span);
    }
}
