//! Small envelopes for tests.

use serde_json::{Value, json};

/// Returns the seconds since the Unix epoch.
pub(crate) fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Returns an envelope with one item.
pub(crate) fn of_item(kind: &str, payload: &Value) -> String {
    let payload = payload.to_string();
    format!("{{}}\n{{\"type\":\"{kind}\",\"length\":{}}}\n{payload}\n", payload.len())
}

/// Returns a pipeline `answer` with one call of gpt-4o-mini: 1,000 input tokens, 500 output tokens, 0.00045 dollars.
pub(crate) fn call(trace: u128, question: &str, answer: &str) -> String {
    of_item("transaction", &transaction(trace, question, answer))
}

pub(crate) fn transaction(trace: u128, question: &str, answer: &str) -> Value {
    let trace_id = format!("{trace:032x}");
    let (start, end) = (now() - 2.0, now() - 1.0);
    let span = |id: u64, parent: u64, op: &str, name: &str, data: Value| {
        json!({
            "trace_id": trace_id, "span_id": format!("{id:016x}"), "parent_span_id": format!("{parent:016x}"), "op": op,
            "description": name, "start_timestamp": start, "timestamp": end, "status": "ok", "data": data,
        })
    };
    json!({
        "type": "transaction", "transaction": "ask", "start_timestamp": start, "timestamp": end,
        "contexts": { "trace": { "trace_id": trace_id, "span_id": format!("{:016x}", 1), "op": "function" } },
        "spans": [
            span(2, 1, "ai.pipeline", "answer", json!({ "gen_ai.pipeline.name": "answer" })),
            span(3, 2, "gen_ai.chat", "chat gpt-4o-mini", json!({
                "gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.request.messages": json!([{ "role": "user", "content": question }]).to_string(),
                "gen_ai.response.text": json!([answer]).to_string(),
                "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 500,
            })),
        ],
    })
}
