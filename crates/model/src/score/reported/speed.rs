//! Time per span: `cargo test --release -p hinomi-model --lib -- --ignored --nocapture speed_of_scores`.

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;

use super::*;
use crate::span::SpanType;

/// Attributes of a call as the GenAI conventions and HTTP instrumentation name them.
const NAMES: [&str; 40] = [
    "error.type",
    "gen_ai.agent.id",
    "gen_ai.agent.name",
    "gen_ai.conversation.id",
    "gen_ai.input.messages",
    "gen_ai.operation.name",
    "gen_ai.output.messages",
    "gen_ai.output.type",
    "gen_ai.provider.name",
    "gen_ai.request.choice.count",
    "gen_ai.request.frequency_penalty",
    "gen_ai.request.max_tokens",
    "gen_ai.request.model",
    "gen_ai.request.presence_penalty",
    "gen_ai.request.seed",
    "gen_ai.request.stop_sequences",
    "gen_ai.request.temperature",
    "gen_ai.request.top_p",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "http.request.method",
    "http.response.status_code",
    "openai.request.service_tier",
    "openai.response.service_tier",
    "otel.kind",
    "otel.scope.name",
    "server.address",
    "server.port",
    "service.name",
    "service.version",
    "session.id",
    "telemetry.sdk.language",
    "telemetry.sdk.name",
    "thread.id",
    "user.id",
];

/// Returns the least time per span in nanoseconds.
fn nanoseconds(spans: &[Span]) -> f64 {
    let rounds = 200_000 / spans.len();
    let time = || {
        let start = Instant::now();
        for span in (0..rounds).flat_map(|_| spans) {
            black_box(scores_of_span(black_box(span)));
        }
        start.elapsed().as_secs_f64() * 1e9 / (rounds * spans.len()) as f64
    };
    (0..20).map(|_| time()).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "measures time"]
#[expect(clippy::print_stdout, reason = "it prints what it measured")]
fn speed_of_scores() {
    let attributes: Map<String, Value> = NAMES.iter().map(|name| ((*name).to_owned(), json!("value"))).collect();
    let call = Span { operation: Some("chat".into()), op: "gen_ai.chat".into(), kind: SpanType::Llm, attributes, ..Span::default() };
    let mut rated = call.clone();
    rated.attributes.insert("gen_ai.evaluation.name".into(), json!("Relevance"));
    rated.attributes.insert("gen_ai.evaluation.score.value".into(), json!(0.8));
    for (name, span, count) in [("call", &call, 1), ("call", &call, 2_000), ("call with a result", &rated, 2_000)] {
        println!("{count} spans, {name}: {:.1} ns per span", nanoseconds(&vec![span.clone(); count]));
    }
}
