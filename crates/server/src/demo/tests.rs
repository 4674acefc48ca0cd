//! The demo's traffic is what SDKs could have sent.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::*;

/// 23 November 2026, 17:42 in Tokyo.
const NOW: i64 = 1_795_423_320_000_000;
const KEY: &str = "0123456789abcdef0123456789abcdef";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// One day of traffic, generated once.
static A_DAY: LazyLock<Vec<DemoEnvelope>> = LazyLock::new(|| envelopes(1, NOW, DAY, KEY).collect());

/// A span in either format.
struct Seen {
    trace: String,
    id: String,
    parent: Option<String>,
    op: String,
    start: f64,
    end: f64,
    data: HashMap<String, Value>,
}

/// Splits an envelope into items according to their stated lengths.
fn items(body: &[u8]) -> Vec<(Value, Value)> {
    let mut rest = body;
    let mut line = |length: Option<usize>| -> Option<Vec<u8>> {
        let end = length.or_else(|| rest.iter().position(|b| *b == b'\n'))?;
        let taken = rest[..end].to_vec();
        assert_eq!(rest[end], b'\n');
        rest = &rest[end + 1..];
        Some(taken)
    };
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
    let mut found = vec![(Value::Null, parse(&line(None).expect("a header")))];
    while let Some(header) = line(None) {
        let header = parse(&header);
        let payload = line(header["length"].as_u64().map(|length| length as usize)).expect("a payload");
        found.push((header, parse(&payload)));
    }
    found
}

fn seconds(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse::<jiff::Timestamp>().expect("a time").as_microsecond() as f64 / 1e6,
        number => number.as_f64().expect("seconds"),
    }
}

fn spans(body: &[u8]) -> Vec<Seen> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let data = |value: &Value| value.as_object().cloned().unwrap_or_default().into_iter().collect::<HashMap<_, _>>();
    let mut found = Vec::new();
    for (header, payload) in items(body) {
        if header["type"] == "transaction" {
            let root = &payload["contexts"]["trace"];
            let rows = payload["spans"].as_array().expect("spans").iter();
            let rows = rows.map(|span| (span, &span["start_timestamp"], &span["timestamp"]));
            for (span, start, end) in rows.chain([(root, &payload["start_timestamp"], &payload["timestamp"])]) {
                found.push(Seen {
                    trace: text(&span["trace_id"]).expect("a trace"),
                    id: text(&span["span_id"]).expect("an id"),
                    parent: text(&span["parent_span_id"]),
                    op: text(&span["op"]).expect("an op"),
                    start: seconds(start),
                    end: seconds(end),
                    data: data(&span["data"]),
                });
            }
        }
        if header["type"] == "span" {
            let rows = payload["items"].as_array().expect("items");
            assert_eq!(header["item_count"], rows.len());
            for span in rows {
                let attributes = span["attributes"].as_object().expect("attributes");
                found.push(Seen {
                    trace: text(&span["trace_id"]).expect("a trace"),
                    id: text(&span["span_id"]).expect("an id"),
                    parent: text(&span["parent_span_id"]),
                    op: text(&attributes["sentry.op"]["value"]).expect("an op"),
                    start: seconds(&span["start_timestamp"]),
                    end: seconds(&span["end_timestamp"]),
                    data: attributes.iter().map(|(key, value)| (key.clone(), value["value"].clone())).collect(),
                });
            }
        }
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let hour = Duration::from_secs(3600);
    let one: Vec<DemoEnvelope> = envelopes(7, NOW, hour, KEY).collect();
    assert_eq!(one, envelopes(7, NOW, hour, KEY).collect::<Vec<_>>());
    assert_ne!(one, envelopes(8, NOW, hour, KEY).collect::<Vec<_>>());
    assert!(!one.is_empty());
}

#[test]
fn spans_nest_and_none_ends_before_it_starts() {
    let mut ids = HashSet::new();
    for envelope in &*A_DAY {
        let spans = spans(&envelope.body);
        let by_id: HashMap<&str, &Seen> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
        for span in &spans {
            assert!(ids.insert(format!("{}{}", span.trace, span.id)), "an id twice");
            assert!(span.start <= span.end, "{} of {} s", span.op, span.end - span.start);
            assert!(span.end <= NOW as f64 / 1e6);
            if let Some(parent) = &span.parent {
                let parent = by_id[parent.as_str()];
                assert!(parent.start <= span.start + 1e-5 && span.end <= parent.end + 1e-5, "{} outside {}", span.op, parent.op);
            }
        }
    }
}

#[test]
fn demo_errors_reference_existing_spans() {
    let (mut spans_seen, mut errors) = (HashSet::new(), Vec::new());
    for envelope in &*A_DAY {
        spans_seen.extend(spans(&envelope.body).into_iter().map(|span| span.id));
        for (header, payload) in items(&envelope.body) {
            if header["type"] == "event" {
                assert!(payload["exception"]["values"][0]["stacktrace"]["frames"].as_array().is_some_and(|frames| frames.len() > 1));
                assert!(payload["exception"]["values"][0]["stacktrace"]["frames"].to_string().contains("\"step\""), "{payload}");
                let value = payload["exception"]["values"][0]["value"].as_str().expect("a value").to_owned();
                // An unfilled slot.
                assert!(!value.contains("{model}") && !value.contains("{times}"), "{value}");
                errors.push(payload["contexts"]["trace"]["span_id"].as_str().expect("a span").to_owned());
            }
        }
    }
    assert!(errors.len() > 20, "{} errors", errors.len());
    // An error near the end may have been sent before its spans.
    assert!(errors.iter().filter(|id| !spans_seen.contains(*id)).count() <= 2);
}

#[test]
fn demo_day_covers_all_pages() {
    let (mut count, mut traces, mut reports) = (HashMap::<&str, usize>::new(), HashSet::new(), 0);
    let mut add = |what: &'static str, is: bool| *count.entry(what).or_default() += usize::from(is);
    let (mut users, mut sessions, mut loops) = (HashSet::new(), HashSet::new(), 0);
    for envelope in &*A_DAY {
        for (header, payload) in items(&envelope.body) {
            assert!(payload["sent_at"].is_null());
            reports += usize::from(header["type"] == "client_report");
            if header["type"] == "log" {
                let lines = payload["items"].as_array().expect("lines");
                assert_eq!(header["item_count"], lines.len());
                add("failing log lines", lines.iter().any(|line| line["level"] == "error"));
                add("log lines", lines.len() > 1);
            }
            let text = payload.to_string();
            assert!(!text.contains("{city") && !text.contains("{booking}"), "a slot that was not filled");
        }
        for span in spans(&envelope.body) {
            traces.insert(span.trace.clone());
            let is_call = matches!(span.op.as_str(), "gen_ai.chat" | "gen_ai.generate_content");
            let number = |key: &str| span.data.get(key).and_then(Value::as_u64);
            add("calls", is_call);
            add(
                "without usage",
                is_call && span.data.contains_key("gen_ai.response.model") && number("gen_ai.usage.input_tokens").is_none(),
            );
            add(
                "cached",
                number("gen_ai.usage.input_tokens.cached").or(number("gen_ai.usage.cache_read.input_tokens")).is_some_and(|n| n > 0),
            );
            add("reasoning", number("gen_ai.usage.reasoning.output_tokens").is_some_and(|n| n > 0));
            add("streamed", span.data.contains_key("gen_ai.response.time_to_first_token"));
            add("unpriced", span.data.get("gen_ai.request.model").is_some_and(|model| model == "swallow-70b-instruct"));
            add("refused", span.data.get("gen_ai.response.finish_reasons").is_some_and(|reasons| reasons.to_string().contains("refusal")));
            add("handoffs", span.op == "gen_ai.handoff");
            add("pipelines", span.op == "ai.pipeline");
            for (set, key) in [(&mut users, "user.id"), (&mut sessions, "gen_ai.conversation.id")] {
                set.extend(span.data.get(key).map(Value::to_string));
            }
            let looping = span.data.get("user.id").is_some_and(|user| user == "u_20481");
            loops += usize::from(looping && span.op == "gen_ai.chat");
        }
    }
    assert!((1_300..1_700).contains(&traces.len()), "{} traces", traces.len());
    assert!((30..50).contains(&users.len()), "{} users", users.len());
    assert!(sessions.len() > 200 && reports > 3 && loops > 250, "{} sessions, {reports} reports, {loops} looping calls", sessions.len());
    for (what, least) in [
        ("calls", 2_500),
        ("without usage", 10),
        ("cached", 500),
        ("reasoning", 30),
        ("streamed", 300),
        ("unpriced", 100),
        ("refused", 1),
        ("handoffs", 10),
        ("pipelines", 800),
        ("log lines", 1_300),
        ("failing log lines", 10),
    ] {
        assert!(count[what] >= least, "{what}: {}", count[what]);
    }
}

#[test]
fn live_traffic_goes_on_in_the_order_of_sending() {
    let first: Vec<DemoEnvelope> = live(1, NOW, KEY).take(200).collect();
    assert!(first.windows(2).all(|pair| pair[0].end_us <= pair[1].end_us));
    assert!(first.iter().all(|envelope| envelope.start_us >= NOW));
    let traces: HashSet<String> = first.iter().flat_map(|envelope| spans(&envelope.body)).map(|span| span.trace).collect();
    let minutes = (first[199].end_us - NOW) as f64 / 60e6;
    assert!((2.0..6.0).contains(&(traces.len() as f64 / minutes)), "{} traces in {minutes} minutes", traces.len());
}

#[test]
fn short_and_empty_periods_are_valid() {
    assert_eq!(envelopes(1, NOW, Duration::ZERO, KEY).count(), 0);
    let minutes = Duration::from_secs(20 * 60);
    assert!(envelopes(1, NOW, minutes, KEY).all(|envelope| envelope.start_us >= NOW - 1_200_000_000));
}
