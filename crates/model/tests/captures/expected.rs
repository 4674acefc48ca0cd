//! Compares decoded spans and errors with `expect.json` of their case.

use std::collections::HashSet;

use hinomi_model::span::{ChatMessage, MessagePart, SpanStatus};

use super::*;

fn texts(messages: &[ChatMessage]) -> String {
    let mut found = String::new();
    for part in messages.iter().flat_map(|message| &message.parts) {
        match part {
            MessagePart::Text { text } | MessagePart::Reasoning { text } => found.push_str(text),
            MessagePart::ToolCall { arguments, .. } => found.push_str(arguments),
            MessagePart::ToolResult { result, .. } => found.push_str(result),
            MessagePart::Media { content, .. } => found.push_str(content.as_deref().unwrap_or_default()),
            MessagePart::Other { content } => found.push_str(content),
        }
    }
    squeeze(&found)
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect()
}

/// List prices of the test server's models in dollars per million tokens: input, cache read, cache write, output.
const PRICES: &[(&str, [f64; 4])] = &[
    ("gpt-3.5-turbo", [0.5, 0.5, 0.5, 1.5]),
    ("gpt-3.5-turbo-0125", [0.5, 0.5, 0.5, 1.5]),
    ("gpt-4o", [2.5, 1.25, 2.5, 10.0]),
    ("gpt-4o-2024-08-06", [2.5, 1.25, 2.5, 10.0]),
    ("gpt-4o-mini", [0.15, 0.075, 0.15, 0.6]),
    ("command-a-03-2025", [2.5, 2.5, 2.5, 10.0]),
    ("gpt-4o-mini-2024-07-18", [0.15, 0.075, 0.15, 0.6]),
    ("gpt-4.1-2025-04-14", [2.0, 0.5, 2.0, 8.0]),
    ("gpt-5-mini", [0.25, 0.025, 0.25, 2.0]),
    ("gpt-5-mini-2025-08-07", [0.25, 0.025, 0.25, 2.0]),
    ("gemini-2.5-flash", [0.3, 0.03, 0.3, 2.5]),
    ("text-embedding-3-small", [0.02, 0.02, 0.02, 0.0]),
    ("claude-sonnet-4-5-20250929", [3.0, 0.3, 3.75, 15.0]),
    ("claude-haiku-4-5-20251001", [1.0, 0.1, 1.25, 5.0]),
    ("gemini-2.5-flash", [0.3, 0.03, 0.3, 2.5]),
    // Bedrock's regional endpoints cost 10 % more.
    ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", [3.3, 0.33, 4.125, 16.5]),
];

struct Check {
    case: String,
    wrong: Vec<String>,
}

impl Check {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, got: T, want: T) {
        if got != want {
            self.wrong.push(format!("{}: {what} is {got:?}, should be {want:?}", self.case));
        }
    }

    fn holds(&mut self, what: &str, holds: bool) {
        self.same(what, holds, true);
    }
}

/// Returns the expected cost of a call in dollars: at list price, or the lower cost that the client reports if it reports no cache reads.
fn true_cost(want: &Value) -> Option<f64> {
    let number = |key: &str| want[key].as_u64();
    let of = |model: &Value| PRICES.iter().find(|(known, _)| model.as_str() == Some(*known));
    let (_, [input_price, read_price, write_price, output_price]) = of(&want["model_answered"]).or_else(|| of(&want["model"]))?;
    let (read, write) = (number("cached_input_tokens").unwrap_or(0), number("cache_write_tokens").unwrap_or(0));
    let input = number("input_tokens")? - read - write;
    let at_list =
        input as f64 * input_price + read as f64 * read_price + write as f64 * write_price + number("output_tokens")? as f64 * output_price;
    let at_list = at_list / 1e6;
    let sent = want["cost_sent_by_client"].as_f64().filter(|sent| *sent > 0.0 && *sent < at_list - 1e-9 && read == 0);
    Some(sent.unwrap_or(at_list))
}

fn compare_cost(want: &Value, span: &Span, label: &str, check: &mut Check) {
    let sent = want["cost_sent_by_client"].as_f64().filter(|cost| *cost > 0.0);
    match (true_cost(want).or(sent), &span.cost) {
        (Some(want), Some(got)) => {
            check.holds(&format!("cost {} for {want} of {label}", got.total.dollars()), (got.total.dollars() - want).abs() < 1e-9)
        }
        (want, got) => check.same(&format!("cost known of {label}"), got.is_some(), want.is_some()),
    }
    if let Some(sent) = sent {
        let kept = [span.client_cost, span.cost.as_ref().map(|cost| cost.total)].into_iter().flatten();
        check.holds(&format!("the client's cost {sent} of {label}"), kept.into_iter().any(|cost| (cost.dollars() - sent).abs() < 1e-6));
    }
}

/// Checks that each call that only log records report is one counted call, and that its session has its messages.
fn compare_log_calls(expect: &Value, spans: &[Span], check: &mut Check) {
    let mut left: Vec<&Span> = spans.iter().filter(|span| span.is_call() && span.counted).collect();
    for want in expect["llm_log_calls"].as_array().into_iter().flatten() {
        let label = format!("{} of {}", want["event"], want["session_id"]);
        let text = |key: &str| want[key].as_str();
        let number = |key: &str| want[key].as_u64();
        let fits = |span: &&&Span| {
            span.session_id.as_deref() == text("session_id")
                && span.model() == text("model")
                && Some(span.status.as_str()) == text("status")
                && (span.usage.input_tokens(), span.usage.output_tokens()) == (number("input_tokens"), number("output_tokens"))
        };
        // Rejected attempts differ only in their times.
        let at_ms = want["time_unix_ms"].as_f64().unwrap() as i64;
        let away = |span: &&Span| ((span.end_us - span.clock_shift_us) / 1000 - at_ms).abs();
        let Some(span) = left.iter().filter(fits).copied().min_by_key(away) else {
            check.holds(&format!("presence of {label}"), false);
            continue;
        };
        left.retain(|other| other.span_id != span.span_id);
        for (key, got) in [
            ("cached_input_tokens", span.usage.cache_read),
            ("cache_write_tokens", span.usage.cache_write_tokens()),
            ("reasoning_tokens", span.usage.reasoning),
        ] {
            if let Some(want) = number(key).filter(|want| *want > 0) {
                check.same(&format!("{key} of {label}"), got, Some(want));
            }
        }
        if let Some(provider) = text("provider") {
            check.same(&format!("provider of {label}"), span.provider.as_deref(), Some(provider));
        }
        if let Some(id) = text("request_id") {
            check.same(&format!("response id of {label}"), span.response_id.as_deref(), Some(id));
        }
        if let Some(duration) = want["duration_ms"].as_f64() {
            check.same(&format!("duration of {label}"), (span.end_us - span.start_us) as f64 / 1000.0, duration);
        }
        let end_ms = (span.end_us - span.clock_shift_us) / 1000;
        check.same(&format!("end of {label}"), end_ms, want["time_unix_ms"].as_f64().unwrap() as i64);
        compare_cost(want, span, &label, check);
        let of_session = || spans.iter().filter(|span| span.session_id.as_deref() == text("session_id"));
        if let Some(asked) = text("input_text") {
            check.holds(&format!("question of {label}"), of_session().any(|span| texts(&span.input_messages).contains(&squeeze(asked))));
        }
        if let Some(answer) = text("output_text") {
            check.holds(&format!("answer of {label}"), of_session().any(|span| texts(&span.output_messages).contains(&squeeze(answer))));
        }
    }
}

fn compare_call(want: &Value, span: &Span, reported_twice: bool, check: &mut Check) {
    let id = want["span_id"].as_str().unwrap();
    let label = |what: &str| format!("{what} of {id}");
    let text = |key: &str| want[key].as_str();
    let number = |key: &str| want[key].as_u64();
    check.same(&label("kind"), span.kind, if text("operation") == Some("embeddings") { SpanType::Embedding } else { SpanType::Llm });
    let models: Vec<&str> = ["model", "model_answered", "model_requested"].iter().filter_map(|key| text(key)).collect();
    check.holds(&label("model"), models.is_empty() || span.model().is_some_and(|model| models.contains(&model)));
    if let Some(provider) = text("provider") {
        check.same(&label("provider"), span.provider.as_deref(), Some(provider));
    }
    check.same(&label("status"), span.status.as_str(), text("status").unwrap());
    check.same(&label("parent"), span.parent_span_id.map(|parent| parent.to_string()).as_deref(), text("parent_span_id"));
    check.same(&label("input tokens"), span.usage.input_tokens(), number("input_tokens"));
    check.same(&label("output tokens"), span.usage.output_tokens(), number("output_tokens"));
    check.same(&label("total tokens"), span.usage.total, number("total_tokens"));
    for (key, got) in [
        ("cached_input_tokens", span.usage.cache_read),
        ("cache_write_tokens", span.usage.cache_write_tokens()),
        ("reasoning_tokens", span.usage.reasoning),
    ] {
        if let Some(want) = number(key).filter(|want| *want > 0) {
            check.same(&label(key), got, Some(want));
        }
    }
    let duration_ms = (span.end_us - span.start_us) as f64 / 1000.0;
    check.holds(&label("duration"), (duration_ms - want["duration_ms"].as_f64().unwrap()).abs() < 0.1);
    for (key, messages) in [("input_text", &span.input_messages), ("output_text", &span.output_messages)] {
        if let Some(want) = text(key).filter(|_| !want[format!("{key}_in")].is_null()) {
            check.holds(&label(&format!("{key} {want:?}")), texts(messages).contains(&squeeze(want)));
        }
    }
    if let Some(tool) = want["tool_call"]["name"].as_str() {
        let called = span.output_messages.iter().flat_map(|message| &message.parts);
        let mut called = called.filter_map(|part| if let MessagePart::ToolCall { name, .. } = part { Some(name.as_str()) } else { None });
        check.holds(&label("tool call"), called.any(|name| name == tool));
    }
    if !reported_twice {
        // Otherwise the cost comes from the report that knows more, whichever is counted.
        compare_cost(want, span, id, check);
    }
}

/// Checks what must hold of a span that need not be a call.
fn compare_other_span(want: &Value, span: &Span, check: &mut Check) {
    let label = |what: &str| format!("{what} of {} {:?}", span.span_id, span.name);
    let is_among = |kinds: &Value| kinds.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == span.kind.as_str()));
    if let Some(kind) = want["kind"].as_str() {
        check.same(&label("kind"), span.kind.as_str(), kind);
    }
    check.holds(&label("kind"), want["kind_any_of"].is_null() || is_among(&want["kind_any_of"]));
    check.holds(&label("kind that is none of these"), !is_among(&want["not_kind"]));
    if let Some(counted) = want["counted"].as_bool() {
        check.same(&label("counted"), span.counted && span.is_call(), counted);
    }
    for text in want["input_has"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        check.holds(&label(&format!("input with {text:?}")), texts(&span.input_messages).contains(&squeeze(text)));
    }
}

/// Returns true for a span from a log record, either alone or as a part of a span that was never sent.
fn from_log(span: &Span) -> bool {
    span.attributes.contains_key("event.name") || span.joined.as_ref().is_some_and(|joined| joined.awaited)
}

pub(crate) fn compare(case: &Path, requests: &[PathBuf]) -> Vec<String> {
    let expect: Value = serde_json::from_slice(&std::fs::read(case.join("expect.json")).unwrap()).unwrap();
    let (spans, errors) = read_in_order(requests);
    let name = format!("{}/{}", case.parent().unwrap().file_name().unwrap().display(), case.file_name().unwrap().display());
    let mut check = Check { case: name, wrong: Vec::new() };
    let list = |key: &str| expect[key].as_array().cloned().unwrap_or_default();
    let find = |id: &Value| spans.iter().find(|span| Some(span.span_id.to_string().as_str()) == id.as_str());
    for want in list("traces") {
        let of_trace: Vec<&Span> = spans.iter().filter(|span| span.trace_id.to_string() == want["trace_id"].as_str().unwrap()).collect();
        let sent = of_trace.iter().filter(|span| !from_log(span)).count();
        check.same("number of spans", Some(sent as u64), want["span_count"].as_u64());
        if let (Some(root), Some(name)) = (find(&want["root_span_id"]), want["root_name"].as_str()) {
            check.same("name of the root", root.name.as_str(), name);
            check.same("parent of the root", root.parent_span_id, None);
        }
    }
    let twice = list("reported_more_than_once");
    let twice: HashSet<&str> =
        twice.iter().flat_map(|pair| pair["spans"].as_array().unwrap()).map(|span| span["span_id"].as_str().unwrap()).collect();
    compare_log_calls(&expect, &spans, &mut check);
    for want in list("llm_spans") {
        match find(&want["span_id"]) {
            Some(span) => compare_call(&want, span, twice.contains(want["span_id"].as_str().unwrap()), &mut check),
            None => check.holds(&format!("presence of {}", want["span_id"]), false),
        }
    }
    for (key, kinds) in [("agent_spans", &[SpanType::Agent, SpanType::Chain][..]), ("tool_spans", &[SpanType::Tool])] {
        for want in list(key) {
            check.holds(&format!("kind of {}", want["name"]), find(&want["span_id"]).is_some_and(|span| kinds.contains(&span.kind)));
        }
    }
    for want in list("spans") {
        if let Some(span) = find(&want["span_id"]) {
            compare_other_span(&want, span, &mut check);
        }
    }
    let calls: Vec<&Span> = spans.iter().filter(|span| span.is_call() && span.counted).collect();
    let total = &expect["totals_counted_once"];
    let sum = |of: fn(&Span) -> Option<u64>| Some(calls.iter().filter_map(|span| of(span)).sum::<u64>());
    check.same("calls", Some(calls.len() as u64), total["llm_calls"].as_u64());
    check.same("failed calls", sum(|span| Some(u64::from(span.status == SpanStatus::Error))), total["failed"].as_u64());
    check.same(
        "calls without usage",
        sum(|span| Some(u64::from(span.status == SpanStatus::Ok && span.usage.is_unknown()))),
        total["calls_with_unknown_tokens"].as_u64(),
    );
    check.same("input tokens", sum(|span| span.usage.input_tokens()), total["input_tokens"].as_u64());
    check.same("output tokens", sum(|span| span.usage.output_tokens()), total["output_tokens"].as_u64());
    for key in ["duplicate_spans_not_to_count", "spans_that_repeat_a_log_call"] {
        for want in list(key) {
            let counted = find(&want["span_id"]).is_some_and(|span| span.is_call() && span.counted);
            check.holds(&format!("{} repeats a call", want["name"]), !counted);
        }
    }
    for want in list("reported_more_than_once") {
        let reports = want["spans"].as_array().unwrap().iter();
        let counted = reports.filter(|span| find(&span["span_id"]).is_some_and(|span| span.counted)).count();
        check.same("counted reports of one response", counted, 1);
    }
    for want in list("tool_log_records") {
        let found = spans.iter().find(|span| span.kind == SpanType::Tool && span.tool.as_deref() == want["tool"].as_str());
        check.holds(&format!("tool {}", want["tool"]), found.is_some());
    }
    for want in list("error_events") {
        let found = errors.iter().find(|error| error.span_id.map(|id| id.to_string()).as_deref() == want["span_id"].as_str());
        check.same("type of the error", found.map(|error| error.kind.as_str()), want["type"].as_str());
        check.same("handled", found.and_then(|error| error.handled), want["handled"].as_bool());
        check.holds("message of the error", found.is_some_and(|error| error.value.starts_with(want["value"].as_str().unwrap())));
        if let Some(chain) = want["chain"].as_array() {
            check.same("chain of the error", found.map(|error| error.exceptions.len()), Some(chain.len()));
        }
    }
    if let Some(user) = expect["user"]["id"].as_str() {
        check.holds("user", spans.iter().any(|span| span.user_id.as_deref() == Some(user)));
    }
    if let Some(session) = expect["session"].as_str() {
        check.holds("session", spans.iter().any(|span| span.session_id.as_deref() == Some(session)));
    }
    check.wrong
}
