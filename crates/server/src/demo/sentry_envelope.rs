//! Writes a trace as the envelopes that Sentry's SDKs send.

use serde_json::{Map, Value, json};

use super::DemoEnvelope;
use super::log_lines;
use super::random::DemoRng;
use super::texts::text;
use super::trace::{DemoFailure, DemoSdk, DemoSpan, DemoTrace, DemoTraceSettings, ROOT_SPAN_INDEX};

const SPANS_V2_CONTENT_TYPE: &str = "application/vnd.sentry.items.span.v2+json";

/// Returns the envelopes of a trace in the order in which they are sent: one per error, then the spans.
pub(super) fn envelopes(trace: &DemoTrace, dsn_key: &str, with_sent_at: bool) -> Vec<DemoEnvelope> {
    let writer = DemoEnvelopeWriter { trace, dsn_key, with_sent_at };
    let mut sent: Vec<DemoEnvelope> = trace.failures.iter().map(|failure| writer.error(failure)).collect();
    sent.push(match trace.setting.sdk {
        DemoSdk::Python => writer.transaction(),
        DemoSdk::Node => writer.stream(),
    });
    sent
}

/// Returns a report of telemetry that an SDK discarded.
pub(super) fn client_report(dice: &mut DemoRng, start_us: i64) -> DemoEnvelope {
    let (reason, category, quantity) = match dice.between(0, 3) {
        0 => ("ratelimit_backoff", "transaction", dice.between(1, 6)),
        1 => ("network_error", "error", dice.between(1, 2)),
        2 => ("queue_overflow", "span", dice.between(4, 60)),
        _ => ("event_processor", "error", 1),
    };
    let report = json!({
        "timestamp": seconds(start_us),
        "discarded_events": [{"reason": reason, "category": category, "quantity": quantity}],
    });
    let body = lines(&[&json!({})], &[(json!({"type": "client_report", "content_type": "application/json"}), report)]);
    DemoEnvelope { body, start_us, end_us: start_us }
}

struct DemoEnvelopeWriter<'a> {
    trace: &'a DemoTrace,
    dsn_key: &'a str,
    with_sent_at: bool,
}

impl DemoEnvelopeWriter<'_> {
    fn setting(&self) -> &DemoTraceSettings {
        &self.trace.setting
    }

    /// sentry-python: the transaction with its ordinary spans, and a separate container of the AI spans.
    fn transaction(&self) -> DemoEnvelope {
        let (ai, other): (Vec<&DemoSpan>, Vec<&DemoSpan>) = self.trace.spans[1..].iter().partition(|span| is_ai(span));
        let setting = self.setting();
        let root = self.trace.root();
        let mut event_id = DemoRng::of(&[u64::from_str_radix(&root.id, 16).unwrap_or(1)]);
        let event_id = event_id.hex(32);

        let mut trace = json!({
            "trace_id": self.trace.id, "span_id": root.id, "parent_span_id": null, "op": root.op, "description": null,
            "origin": root.origin, "data": with_thread(&root.data),
        });
        if let Some(status) = root.failed {
            trace["status"] = status.into();
        }
        let mut transaction = json!({
            "type": "transaction", "transaction": setting.transaction, "transaction_info": {"source": "custom"},
            "contexts": {"trace": trace, "runtime": runtime()}, "tags": self.tags(),
            "start_timestamp": time(root.start_us), "timestamp": time(root.end_us),
            "spans": other.into_iter().map(|span| self.v1(span)).collect::<Vec<_>>(),
            "measurements": {}, "event_id": event_id, "release": setting.release, "environment": setting.environment,
            "server_name": setting.server, "sdk": sdk(DemoSdk::Python), "platform": "python",
        });
        if let Some(user) = setting.user {
            transaction["user"] = json!({"id": user});
        }
        let mut items = vec![(json!({"type": "transaction", "content_type": "application/json"}), transaction)];
        if !ai.is_empty() {
            items.push(self.container(ai));
        }
        items.push(log_lines::container(self.trace));
        self.envelope(Some(event_id), root.end_us, items)
    }

    /// sentry-javascript: all spans in one container, in the order in which they end.
    fn stream(&self) -> DemoEnvelope {
        let mut spans: Vec<&DemoSpan> = self.trace.spans.iter().collect();
        spans.sort_by_key(|span| span.end_us);
        self.envelope(None, self.trace.root().end_us, vec![self.container(spans), log_lines::container(self.trace)])
    }

    fn container(&self, spans: Vec<&DemoSpan>) -> (Value, Value) {
        let items: Vec<Value> = spans.into_iter().map(|span| self.v2(span)).collect();
        (json!({"type": "span", "item_count": items.len(), "content_type": SPANS_V2_CONTENT_TYPE}), json!({"version": 2, "items": items}))
    }

    fn v1(&self, span: &DemoSpan) -> Value {
        let mut made = json!({
            "trace_id": self.trace.id, "span_id": span.id, "parent_span_id": span.parent, "same_process_as_parent": true, "op": span.op,
            "description": span.name, "start_timestamp": time(span.start_us), "timestamp": time(span.end_us), "origin": span.origin,
            "data": with_thread(&span.data),
        });
        let status = span.failed.or_else(|| span.data.contains_key("http.response.status_code").then_some("ok"));
        if let Some(status) = status {
            made["status"] = status.into();
            made["tags"] = json!({"status": status});
        }
        made
    }

    fn v2(&self, span: &DemoSpan) -> Value {
        let setting = self.setting();
        let root = self.trace.root();
        let mut attributes = Map::new();
        let mut put = |key: &str, value: Value| attributes.insert(key.to_owned(), attribute(value));
        put("sentry.op", span.op.into());
        put("sentry.origin", span.origin.into());
        for (key, value) in &span.data {
            put(key, value.clone());
        }
        match setting.sdk {
            DemoSdk::Python => {
                put("thread.id", "140246211872512".into());
                put("thread.name", "MainThread".into());
                put("server.address", setting.server.into());
                put("process.runtime.name", "CPython".into());
                put("process.runtime.version", "3.12.11".into());
                put("sentry.sdk.name", "sentry.python".into());
                put("sentry.sdk.version", "2.75.0".into());
            }
            DemoSdk::Node => {
                put("sentry.trace_lifecycle", "stream".into());
                put("sentry.sdk.name", "sentry.javascript.node".into());
                put("sentry.sdk.version", "11.12.0".into());
                if let Some(status) = span.failed {
                    put("sentry.status.message", status.into());
                }
            }
        }
        if let Some(session) = &setting.session {
            put("gen_ai.conversation.id", session.as_str().into());
        }
        if let Some(user) = setting.user {
            put("user.id", user.into());
        }
        put("sentry.release", setting.release.as_str().into());
        put("sentry.environment", setting.environment.into());
        put("sentry.segment.name", setting.transaction.into());
        put("sentry.segment.id", root.id.as_str().into());
        let mut made = json!({
            "status": if span.failed.is_some() { "error" } else { "ok" }, "is_segment": span.parent.is_none(),
            "trace_id": self.trace.id, "span_id": span.id, "name": span.name,
            "start_timestamp": seconds(span.start_us), "end_timestamp": seconds(span.end_us), "attributes": attributes,
        });
        if let Some(parent) = &span.parent {
            made["parent_span_id"] = parent.as_str().into();
        }
        made
    }

    fn error(&self, failure: &DemoFailure) -> DemoEnvelope {
        let setting = self.setting();
        let span = &self.trace.spans[failure.at];
        let what = failure.what;
        let platform = if setting.sdk == DemoSdk::Python { "python" } else { "node" };
        let variables = self.variables(span);
        let frames: Vec<Value> = what["frames"].as_array().into_iter().flatten().map(|row| frame(row, &variables)).collect();
        let exception = json!({
            "type": what["type"], "value": failure.value, "module": what["module"],
            "mechanism": {"type": what["mechanism"], "handled": what["handled"]}, "stacktrace": {"frames": frames},
        });
        let mut contexts = json!({"trace": {
            "trace_id": self.trace.id, "span_id": span.id, "parent_span_id": span.parent, "op": span.op, "description": span.name,
            "origin": span.origin,
        }});
        if setting.sdk == DemoSdk::Python {
            contexts["runtime"] = runtime();
        }
        let mut event = json!({
            "level": if text(&what["mechanism"]) == "logging" { "warning" } else { "error" },
            "exception": {"values": [exception]}, "event_id": failure.id, "timestamp": time(failure.time_us), "contexts": contexts,
            "transaction": setting.transaction, "tags": self.tags(), "release": setting.release, "environment": setting.environment,
            "server_name": setting.server, "sdk": sdk(setting.sdk), "platform": platform,
            "breadcrumbs": {"values": self.breadcrumbs(failure.time_us)},
        });
        if let Some(user) = setting.user {
            event["user"] = json!({"id": user});
        }
        self.envelope(
            Some(failure.id.clone()),
            failure.time_us,
            vec![(json!({"type": "event", "content_type": "application/json"}), event)],
        )
    }

    /// Returns the steps of the trace that ended before a time, as SDKs record them.
    fn breadcrumbs(&self, before_us: i64) -> Vec<Value> {
        let ended = self.trace.spans[1..].iter().filter(|span| span.end_us <= before_us);
        let crumb = |span: &DemoSpan| {
            let kind = if span.op == "http.client" { "http" } else { "default" };
            let level = if span.failed.is_some() { "warning" } else { "info" };
            let data = json!({"duration_ms": (span.end_us - span.start_us) / 1000});
            json!({"timestamp": seconds(span.end_us), "type": kind, "category": span.op, "message": span.name, "level": level, "data": data})
        };
        ended.map(crumb).collect()
    }

    /// Returns the local variables of the function in which a span failed.
    fn variables(&self, span: &DemoSpan) -> Value {
        let quoted = |value: &str| format!("'{value}'");
        let model = span.data.get("gen_ai.request.model").and_then(Value::as_str);
        let named = [
            ("model", model.map(quoted)),
            ("user", self.setting().user.map(quoted)),
            ("conversation", self.setting().session.as_deref().map(quoted)),
            ("step", Some(quoted(&span.name))),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect::<Map<_, _>>().into()
    }

    fn envelope(&self, event_id: Option<String>, end_us: i64, items: Vec<(Value, Value)>) -> DemoEnvelope {
        let setting = self.setting();
        let mut header = json!({"trace": {
            "trace_id": self.trace.id, "environment": setting.environment, "release": setting.release, "public_key": self.dsn_key,
            "transaction": setting.transaction, "sample_rate": "1.0", "sampled": "true",
        }});
        if let Some(event_id) = event_id {
            header["event_id"] = event_id.into();
        }
        if self.with_sent_at {
            header["sent_at"] = time(end_us).into();
        }
        if setting.sdk == DemoSdk::Node {
            header["sdk"] = json!({"name": "sentry.javascript.node", "version": "11.12.0"});
        }
        DemoEnvelope { body: lines(&[&header], &items), start_us: self.trace.spans[ROOT_SPAN_INDEX].start_us, end_us }
    }

    fn tags(&self) -> Value {
        self.setting().tags.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str()))).collect::<Map<_, _>>().into()
    }
}

/// Returns whether sentry-python sends a span separately from the transaction.
fn is_ai(span: &DemoSpan) -> bool {
    span.op.starts_with("gen_ai.")
}

/// Writes header lines, then each item with its length in bytes.
fn lines(headers: &[&Value], items: &[(Value, Value)]) -> Vec<u8> {
    let mut body = Vec::new();
    for header in headers {
        body.extend_from_slice(header.to_string().as_bytes());
        body.push(b'\n');
    }
    for (header, payload) in items {
        let payload = payload.to_string();
        let mut header = header.clone();
        header["length"] = payload.len().into();
        body.extend_from_slice(header.to_string().as_bytes());
        body.push(b'\n');
        body.extend_from_slice(payload.as_bytes());
        body.push(b'\n');
    }
    body
}

/// Returns a value with its type, as in version 2 of the span format.
fn attribute(value: Value) -> Value {
    let kind = match &value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "double",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        _ => "string",
    };
    json!({"type": kind, "value": value})
}

/// Builds a frame from `[file, module, function, line of code, line number, in_app]`. Frames of the application have variables.
fn frame(row: &Value, variables: &Value) -> Value {
    let variables = if row[5] == true { variables } else { &Value::Null };
    json!({
        "filename": row[0], "abs_path": row[0].as_str().map(|file| if file.starts_with('/') { file.to_owned() } else { format!("/srv/app/{file}") }),
        "module": row[1], "function": row[2], "context_line": row[3], "lineno": row[4], "in_app": row[5],
        "vars": variables,
    })
}

fn with_thread(data: &Map<String, Value>) -> Value {
    let mut data = data.clone();
    data.insert("thread.id".to_owned(), "140246211872512".into());
    data.insert("thread.name".to_owned(), "MainThread".into());
    data.into()
}

fn runtime() -> Value {
    json!({"name": "CPython", "version": "3.12.11", "build": "3.12.11 (main, Jun  4 2026, 08:56:18) [GCC 13.3.0]"})
}

fn sdk(sdk: DemoSdk) -> Value {
    match sdk {
        DemoSdk::Python => json!({
            "name": "sentry.python", "version": "2.75.0", "packages": [{"name": "pypi:sentry-sdk", "version": "2.75.0"}],
            "integrations": ["anthropic", "argv", "atexit", "celery", "dedupe", "google_genai", "httpx", "langchain", "langgraph", "openai", "starlette"],
        }),
        DemoSdk::Node => json!({
            "name": "sentry.javascript.node", "version": "11.12.0", "packages": [{"name": "npm:@sentry/node", "version": "11.12.0"}],
            "integrations": ["Dedupe", "Http", "NodeFetch", "Express", "VercelAI", "SpanStreaming"],
        }),
    }
}

fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

/// Returns a time in RFC 3339 with microseconds.
fn time(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map(|time| format!("{time:.6}")).unwrap_or_default()
}
