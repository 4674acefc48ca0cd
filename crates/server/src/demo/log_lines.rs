//! Log lines of a trace, as Sentry's SDKs send them: what the program does, each answer of a model, and each failure.

use serde_json::{Map, Value, json};

use super::texts::text;
use super::trace::{DemoSdk, DemoSpan, DemoTrace};

const LOG_CONTENT_TYPE: &str = "application/vnd.sentry.items.log+json";

/// Returns the log lines of a trace as an item of an envelope.
pub(super) fn container(trace: &DemoTrace) -> (Value, Value) {
    let root = trace.root();
    let mut lines = vec![line(trace, root, root.start_us, "info", format!("{} started", root.name))];
    for span in &trace.spans[1..] {
        let ms = (span.end_us - span.start_us) / 1000;
        match span.failed {
            Some(status) => lines.push(line(trace, span, span.end_us, "warn", format!("{} failed after {ms} ms: {status}", span.name))),
            None if span.data.contains_key("gen_ai.response.model") => {
                let tokens = |key: &str| span.data.get(key).map_or_else(|| "?".to_owned(), Value::to_string);
                let (input, output) = (tokens("gen_ai.usage.input_tokens"), tokens("gen_ai.usage.output_tokens"));
                let body = format!("{} answered in {ms} ms ({input} tokens in, {output} out)", span.name);
                lines.push(line(trace, span, span.end_us, "info", body));
            }
            None if span.op == "gen_ai.execute_tool" => {
                lines.push(line(trace, span, span.end_us, "debug", format!("{} finished in {ms} ms", span.name)));
            }
            None => {}
        }
    }
    for failure in &trace.failures {
        let body = format!("{}: {}", text(&failure.what["type"]), failure.value);
        lines.push(line(trace, &trace.spans[failure.at], failure.time_us, "error", body));
    }
    let ms = (root.end_us - root.start_us) / 1000;
    lines.push(line(trace, root, root.end_us, "info", format!("{} finished in {ms} ms", root.name)));
    lines.sort_by_key(|(at_us, _)| *at_us);
    let items: Vec<Value> = lines.into_iter().map(|(_, line)| line).collect();
    (json!({"type": "log", "item_count": items.len(), "content_type": LOG_CONTENT_TYPE}), json!({"items": items}))
}

/// Returns the time of a line in microseconds, and the line.
fn line(trace: &DemoTrace, span: &DemoSpan, at_us: i64, level: &str, body: String) -> (i64, Value) {
    let setting = &trace.setting;
    let logger = match (setting.sdk, span.op.starts_with("gen_ai.")) {
        (DemoSdk::Python, true) => "tabi.llm",
        (DemoSdk::Python, false) => "tabi.api",
        (DemoSdk::Node, _) => "doc-search",
    };
    let mut attributes = Map::new();
    let named = [
        ("logger.name", logger),
        ("sentry.environment", setting.environment),
        ("sentry.release", setting.release.as_str()),
        ("server.address", setting.server),
    ];
    for (name, value) in named.into_iter().chain(setting.user.map(|user| ("user.id", user))) {
        attributes.insert(name.to_owned(), json!({"type": "string", "value": value}));
    }
    let at = at_us as f64 / 1e6;
    (at_us, json!({"timestamp": at, "trace_id": trace.id, "span_id": span.id, "level": level, "body": body, "attributes": attributes}))
}
