//! Measures the memory that decoding takes: never more than the budget of a request, and a small multiple of the size of its body. No
//! input overflows the stack either. `make fuzz` runs this with any number of bodies.

use hinomi_model::clock::DecodeContext;
use hinomi_model::decode_budget::{DecodeLimitExceeded, DecodeLimits, decode_within};
use hinomi_model::mapping::MappingRuleSet;
use hinomi_model::otlp::{OtlpEncoding, OtlpSignal};
use hinomi_model::price::PriceBook;
use hinomi_model::{langfuse, otlp, sentry};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const BUDGET: usize = 2 << 20;
const MAX_ITEMS: usize = 2_000;

/// Endpoint for a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Otlp(OtlpSignal, OtlpEncoding),
    Langfuse,
    Scores,
    Envelope,
    Store,
}

/// Decodes a body and returns the number of resulting items.
fn decode(way: Way, body: &[u8]) -> usize {
    let context = DecodeContext {
        received_us: 1_800_000_000_000_000,
        retention_us: None,
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    };
    let of_sentry =
        |decoded: sentry::DecodedEnvelope| decoded.spans.len() + decoded.errors.len() + decoded.lines.len() + decoded.points.len();
    match way {
        Way::Otlp(signal, encoding) => otlp::decode(body.to_vec().into(), signal, encoding, &context)
            .map_or(0, |decoded| decoded.spans.len() + decoded.lines.len() + decoded.points.len()),
        Way::Langfuse => langfuse::decode(body, &context, &|_| None).map_or(0, |decoded| decoded.event_results.len()),
        Way::Scores => langfuse::read_scores(body, 0).map_or(0, |decoded| decoded.scores.len()),
        Way::Envelope => sentry::decode(body, &context).map_or(0, of_sentry),
        Way::Store => sentry::decode_store_event(body, &context).map_or(0, of_sentry),
    }
}

/// Builds the tables that are built at their first use, such as the patterns of sensitive texts: each of them needs memory once.
fn build_tables() {
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        PriceBook::embedded();
        let event = r#"{"message":"password=a Bearer abcdefgh postgres://a:b@c/d?token=e 4242424242424242 -----BEGIN PRIVATE KEY-----",
            "request":{"headers":{"User-Agent":"Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0 Safari/537.36"}}}"#;
        decode(Way::Store, event.as_bytes());
    });
}

/// Returns the peak of additional memory in bytes, and the result of decoding.
fn measured(way: Way, body: &[u8]) -> (usize, Result<usize, DecodeLimitExceeded>) {
    build_tables();
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let decoded = decode_within(DecodeLimits { items: MAX_ITEMS, bytes: BUDGET }, || decode(way, body));
    (ALLOCATOR.peak_usage().saturating_sub(before), decoded)
}

/// Maximum memory: twice the budget, for growing lists and uncounted memory, and eight times the size of the body, for its texts.
fn most(body: &[u8]) -> usize {
    2 * BUDGET + 8 * body.len() + (1 << 20)
}

const TRACES: Way = Way::Otlp(OtlpSignal::Traces, OtlpEncoding::Json);
const LOGS: Way = Way::Otlp(OtlpSignal::Logs, OtlpEncoding::Json);
const METRICS: Way = Way::Otlp(OtlpSignal::Metrics, OtlpEncoding::Json);

const SPAN: &str = r#""traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","startTimeUnixNano":"1799999999000000000""#;

/// Returns bodies with a position at which something is repeated.
fn templates() -> Vec<(Way, String, String)> {
    let of = |way, around: String| {
        let (before, after) = around.split_once('@').unwrap();
        (way, before.to_owned(), after.to_owned())
    };
    let span = |inner: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{SPAN},{inner}}}]}}]}}]}}"#);
    let record = |inner: &str| {
        let place = r#""traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","timeUnixNano":"1799999999000000000""#;
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{place},{inner}}}]}}]}}]}}"#)
    };
    let metric = |inner: &str| format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m",{inner}}}]}}]}}]}}"#);
    let event = |inner: &str| {
        format!(
            r#"{{"batch":[{{"id":"e","type":"generation-create","timestamp":"2027-01-15T08:00:00Z","body":{{"id":"o","traceId":"t",{inner}}}}}]}}"#
        )
    };
    let item = |kind: &str, payload: &str| format!("{{}}\n{{{kind}}}\n{payload}");
    let transaction = |inner: &str| {
        let trace = r#""trace":{"trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"0102030405060708"}"#;
        item(
            r#""type":"transaction""#,
            &format!(r#"{{"start_timestamp":1799999998,"timestamp":1799999999,"contexts":{{{trace}}},{inner}}}"#),
        )
    };
    let many_spans = (1..40)
        .map(|id| format!(r#"{{{},"name":"s"}}"#, SPAN.replace("\"0102030405060708\"", &format!("\"{id:016x}\""))))
        .collect::<Vec<_>>()
        .join(",");
    let container = |kind: &str| {
        item(&format!(r#""type":"{kind}","item_count":1,"content_type":"application/vnd.sentry.items.span.v2+json""#), r#"{"items":[@]}"#)
    };
    vec![
        of(TRACES, "[@]".into()),
        of(TRACES, r#"{"x":[@],"resourceSpans":[]}"#.into()),
        of(TRACES, r#"{"resourceSpans":[@]}"#.into()),
        of(TRACES, r#"{"resourceSpans":[{"scopeSpans":[@]}]}"#.into()),
        of(TRACES, r#"{"resourceSpans":[{"scopeSpans":[{"spans":[@]}]}]}"#.into()),
        of(TRACES, format!(r#"{{"resourceSpans":[{{"resource":{{"attributes":[@]}},"scopeSpans":[{{"spans":[{many_spans}]}}]}}]}}"#)),
        of(
            TRACES,
            format!(
                r#"{{"resourceSpans":[{{"scopeSpans":[{{"scope":{{"name":"x","attributes":{{"a":[@]}}}},"spans":[{many_spans}]}}]}}]}}"#
            ),
        ),
        of(TRACES, span(r#""attributes":[@]"#)),
        of(TRACES, span(r#""attributes":{"a":[@]}"#)),
        of(TRACES, span(r#""attributes":[{"key":"a","value":{"arrayValue":{"values":[@]}}}]"#)),
        of(TRACES, span(r#""attributes":[{"key":"gen_ai.input.messages","value":{"arrayValue":{"values":[@]}}}]"#)),
        of(TRACES, span(r#""events":[@]"#)),
        of(TRACES, span(r#""links":[@]"#)),
        of(
            TRACES,
            span(
                r#""attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.input.messages","value":{"stringValue":"[@]"}}]"#,
            ),
        ),
        of(
            TRACES,
            span(
                r#""attributes":[{"key":"llm.tools","value":{"stringValue":"[@]"}},{"key":"gen_ai.tool.definitions","value":{"stringValue":"[@"}}]"#,
            ),
        ),
        of(LOGS, r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[@]}]}]}"#.into()),
        of(LOGS, record(r#""body":{"arrayValue":{"values":[@]}}"#)),
        of(LOGS, record(r#""eventName":"gen_ai.user.message","body":{"kvlistValue":{"values":[@]}}"#)),
        of(METRICS, metric(r#""gauge":{"dataPoints":[@]}"#)),
        of(
            METRICS,
            metric(
                r#""sum":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1799999999000000000","asInt":1,"attributes":[@]}]}"#,
            ),
        ),
        of(
            METRICS,
            metric(
                r#""histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1799999999000000000","bucketCounts":[@],"explicitBounds":[]}]}"#,
            ),
        ),
        of(Way::Langfuse, r#"{"batch":[@]}"#.into()),
        of(Way::Langfuse, r#"{"batch":[],"metadata":[@]}"#.into()),
        of(Way::Langfuse, event(r#""input":[@]"#)),
        of(Way::Langfuse, event(r#""metadata":{"a":[@]},"tags":[]"#)),
        of(Way::Scores, "[@]".into()),
        of(Way::Envelope, "{}\n@".into()),
        of(Way::Envelope, transaction(r#""spans":[@]"#)),
        of(Way::Envelope, transaction(r#""spans":[{"data":{"a":[@]}}]"#)),
        of(Way::Envelope, transaction(r#""tags":[@]"#)),
        of(Way::Envelope, transaction(r#""measurements":{"a":[@]}"#)),
        of(Way::Envelope, transaction(r#""sdk":{"name":"x","integrations":[@]}"#)),
        of(Way::Envelope, container("span")),
        of(Way::Envelope, container("log")),
        of(Way::Envelope, container("trace_metric")),
        of(Way::Envelope, item(r#""type":"client_report""#, r#"{"discarded_events":[@]}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"exception":{"values":[@]},"tags":[["a","b"]]}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"exception":{"values":[{"type":"E","stacktrace":{"frames":[@]}}]}}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"breadcrumbs":[@],"fingerprint":["a"]}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"exception":[{"stacktrace":{"frames":[{"function":"f","vars":{"a":[@]}}]}}]}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"threads":{"values":[@]},"stacktrace":{"frames":[]}}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"contexts":{"a":[@]},"user":{"id":1}}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"user":{"a":[@]},"request":{"headers":[]}}"#)),
        of(Way::Envelope, item(r#""type":"event""#, r#"{"logentry":{"message":"%s {}","params":[@]}}"#)),
        of(Way::Store, r#"{"sentry.interfaces.ErrorException":[@]}"#.into()),
        of(Way::Store, r#"{"extra":[@]}"#.into()),
        of(Way::Store, r#"{"type":"transaction","spans":[@]}"#.into()),
    ]
}

/// Fragments that are repeated. `#` becomes a number.
const FRAGMENTS: &[&str] = &[
    "0,",
    "[],",
    "{},",
    "\"\",",
    "[[[[]]]],",
    "{\"a\":0},",
    "{\"a\":{\"a\":{}}},",
    "{\"#\":{}},",
    "[0],",
    "null,",
    "1e999,",
    "\"\u{1}\",",
    "[",
    "{\"a\":",
    "{\"key\":\"k#\",\"value\":{\"intValue\":1}},",
    "{\"key\":\"llm.tools.0.1.2.3.4.5.6.7.8.9.#\",\"value\":{\"intValue\":1}},",
    "{\"stringValue\":\"x\"},",
    "{\"kvlistValue\":{\"values\":[{\"key\":\"k\"}]}},",
    "{\"role\":\"user\",\"parts\":[{\"type\":\"text\"}]},",
    "{\"name\":\"exception\",\"attributes\":[{\"key\":\"exception.type\",\"value\":{\"stringValue\":\"E#\"}}]},",
    "{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"#\"},",
    "{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"0102030405060708\"},",
    "{\"scopeSpans\":[{\"spans\":[{}]}]},",
    "{\"spans\":[],\"scope\":{}},",
    "{\"asInt\":1,\"timeUnixNano\":1799999999000000000},",
    "{\"id\":\"#\",\"type\":\"trace-create\",\"body\":{\"id\":\"t\"}},",
    "{\"id\":\"#\",\"type\":\"span-create\",\"body\":{\"id\":\"#\",\"traceId\":\"t\"}},",
    "{\"name\":\"n\",\"value\":1,\"traceId\":\"t\"},",
    "{\"type\":\"span\"}\n{}\n",
    "{\"type\":\"event\"}\n{}\n",
    "{\"reason\":\"r#\",\"quantity\":1},",
    "[\"#\",\"x\"],",
    "{'a': [None]},",
    "('a', 1), ",
    "\\\"\\\",",
];

/// Paths of nested protobuf fields within which something is repeated.
const PATHS: &[(OtlpSignal, &[u8])] = &[
    (OtlpSignal::Traces, &[1]),
    (OtlpSignal::Traces, &[1, 2]),
    (OtlpSignal::Traces, &[1, 2, 2]),
    (OtlpSignal::Traces, &[1, 1, 1]),
    (OtlpSignal::Traces, &[1, 2, 1, 3]),
    (OtlpSignal::Traces, &[1, 2, 2, 9]),
    (OtlpSignal::Traces, &[1, 2, 2, 9, 2, 5, 1]),
    (OtlpSignal::Traces, &[1, 2, 2, 9, 2, 6, 1]),
    (OtlpSignal::Traces, &[1, 2, 2, 11]),
    (OtlpSignal::Traces, &[1, 2, 2, 11, 3]),
    (OtlpSignal::Traces, &[1, 2, 2, 13]),
    (OtlpSignal::Logs, &[1, 2, 2]),
    (OtlpSignal::Logs, &[1, 2, 2, 5, 5, 1]),
    (OtlpSignal::Logs, &[1, 2, 2, 6]),
    (OtlpSignal::Metrics, &[1, 2, 2]),
    (OtlpSignal::Metrics, &[1, 2, 2, 5, 1]),
    (OtlpSignal::Metrics, &[1, 2, 2, 9, 1, 9]),
    (OtlpSignal::Metrics, &[1, 2, 2, 9, 1, 6]),
    (OtlpSignal::Metrics, &[1, 2, 2, 10, 1, 8, 2]),
    (OtlpSignal::Metrics, &[1, 2, 2, 10, 1, 9, 2]),
];

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 127 {
        bytes.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(content);
    bytes
}

fn protobuf(path: &[u8], content: &[u8], count: usize, prefix: &[u8]) -> Vec<u8> {
    let (last, outer) = path.split_last().unwrap();
    let repeated = field(*last, content).repeat(count);
    outer.iter().rev().fold([prefix, &repeated].concat(), |inner, number| field(*number, &inner))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    fn json_takes_no_more_than_its_budget(template in 0..templates().len(), fragments in proptest::collection::vec(proptest::sample::select(FRAGMENTS), 1..3), bytes in 1usize..150_000) {
        let (way, before, after) = &templates()[template];
        let mut text = before.clone();
        let mut number = 0;
        while text.len() < bytes {
            for fragment in &fragments {
                text.push_str(&fragment.replace('#', &number.to_string()));
                number += 1;
            }
        }
        let text = text.trim_end_matches(',').to_owned() + after;
        let (peak, decoded) = measured(*way, text.as_bytes());
        prop_assert!(peak <= most(text.as_bytes()), "{peak} of {} bytes {way:?} {before}{fragments:?}{after}", text.len());
        if let Ok(things) = decoded {
            prop_assert!(things <= MAX_ITEMS + 1, "{things}");
        }
    }

    fn protobuf_takes_no_more_than_its_budget(path in 0..PATHS.len(), content in proptest::collection::vec(any::<u8>(), 0..12), count in 1usize..40_000, group in any::<bool>()) {
        let (signal, path) = PATHS[path];
        // The parser skips unknown groups, which must not end the count.
        let prefix: &[u8] = if group { &[0x9b, 0x01, 0x9c, 0x01] } else { &[] };
        let body = protobuf(path, &content, count, prefix);
        let (peak, decoded) = measured(Way::Otlp(signal, OtlpEncoding::Binary), &body);
        prop_assert!(peak <= most(&body), "{peak} of {} bytes {signal:?} {path:?} {content:?} x {count}", body.len());
        if let Ok(things) = decoded {
            prop_assert!(things <= MAX_ITEMS, "{things}");
        }
    }
}

fn each_fragment_at_each_place() {
    for (way, before, after) in templates() {
        for fragment in FRAGMENTS {
            let repeated: String = (0..150_000 / fragment.len()).map(|number| fragment.replace('#', &number.to_string())).collect();
            let text = format!("{before}{}{after}", repeated.trim_end_matches(','));
            let (peak, _) = measured(way, text.as_bytes());
            assert!(peak <= most(text.as_bytes()), "{peak} of {} bytes {way:?} {before}{fragment}{after}", text.len());
        }
    }
    for (signal, path) in PATHS {
        for content in [&b""[..], &[0], &[0x0a, 0], &[0x12, 0], &[0x0a, 1, b'k', 0x12, 2, 0x18, 1]] {
            let body = protobuf(path, content, 30_000, &[]);
            let (peak, _) = measured(Way::Otlp(*signal, OtlpEncoding::Binary), &body);
            assert!(peak <= most(&body), "{peak} of {} bytes {signal:?} {path:?} {content:?}", body.len());
        }
    }
}

fn more_items_than_are_taken_are_told_from_too_many_bytes() {
    let spans = |count: usize| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}0]}}]}}]}}"#, "0,".repeat(count));
    assert_eq!(measured(TRACES, spans(MAX_ITEMS).as_bytes()).1, Err(DecodeLimitExceeded::Items));
    assert!(measured(TRACES, spans(MAX_ITEMS - 1).as_bytes()).1.is_ok());
    let events = |count: usize| format!(r#"{{"batch":[{}[]]}}"#, "[],".repeat(count));
    assert_eq!(measured(Way::Langfuse, events(MAX_ITEMS).as_bytes()).1, Err(DecodeLimitExceeded::Items));
    assert_eq!(measured(Way::Langfuse, events(MAX_ITEMS - 1).as_bytes()).1, Ok(MAX_ITEMS));
    let points = protobuf(&[1, 2, 2, 5, 1], &[], MAX_ITEMS + 1, &[]);
    assert_eq!(measured(Way::Otlp(OtlpSignal::Metrics, OtlpEncoding::Binary), &points).1, Err(DecodeLimitExceeded::Items));
    let values = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":{{"a":[{}0]}}}}]}}]}}]}}"#, "0,".repeat(100_000));
    assert_eq!(measured(TRACES, values.as_bytes()).1, Err(DecodeLimitExceeded::Bytes));
}

/// Decodes bodies of the maximum size with the maximum depth.
fn depth_costs_no_stack() {
    // Other tests measure memory, and these bodies are large.
    const BODY_BYTES: usize = 32 << 20;
    let deep = |before: &str, open: &str, close: &str, after: &str| {
        let depth = (BODY_BYTES - before.len() - after.len()) / (open.len() + close.len());
        format!("{before}{}{}{after}", open.repeat(depth), close.repeat(depth))
    };
    let span = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{SPAN},"attributes":[{{"key":"gen_ai.input.messages","value":"#);
    let bodies = [
        (TRACES, deep("", "[", "]", "")),
        (TRACES, deep("", "{\"resourceSpans\":", "}", "")),
        (TRACES, deep(&span, r#"{"arrayValue":{"values":["#, "]}}", "}]}]}]}]}")),
        (TRACES, deep(&format!("{span}{{\"stringValue\":\""), "[", "]", "\"}}]}]}]}]}")),
        (TRACES, deep(&format!("{span}{{\"stringValue\":\""), "{'a':", "}", "\"}}]}]}]}]}")),
        (TRACES, deep(&format!("{span}{{\"stringValue\":\""), "<a: ", ">", "\"}}]}]}]}]}")),
        (Way::Langfuse, deep(r#"{"batch":[{"type":"trace-create","body":{"id":"t","input":"#, "[", "]", "}}]}")),
        (Way::Envelope, deep("{}\n{\"type\":\"transaction\"}\n", "{\"a\":", "}", "")),
        (Way::Envelope, deep("{}\n{\"type\":\"event\"}\n{\"exception\":", "[", "]", "}")),
        (Way::Store, deep("{\"extra\":", "[", "]", "}")),
    ];
    for (way, body) in &bodies {
        // Without a budget, so that only the depth limits decoding.
        decode(*way, body.as_bytes());
    }
    // In protobuf, each level takes up to five bytes for its length, and building it takes quadratic time: this body has only a tenth of
    // a megabyte.
    let value = (0..20_000).fold(vec![0x0a, 1, b'x'], |inner, _| field(5, &field(1, &inner)));
    let body = [1, 2, 2, 9, 2].iter().rev().fold(value, |inner, number| field(*number, &inner));
    decode(Way::Otlp(OtlpSignal::Traces, OtlpEncoding::Binary), &body);
}

/// One test runs all checks: they measure the memory of the process, which parallel tests would change.
#[test]
fn no_request_exceeds_its_memory_budget() {
    each_fragment_at_each_place();
    more_items_than_are_taken_are_told_from_too_many_bytes();
    depth_costs_no_stack();
    json_takes_no_more_than_its_budget();
    protobuf_takes_no_more_than_its_budget();
}
