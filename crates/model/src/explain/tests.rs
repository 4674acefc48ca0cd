use serde_json::json;

use super::*;
use crate::dedup::exclusion::Exclusion;
use crate::id::{SpanId, TraceId};
use crate::normalize::{RawSpan, RawStatus, canonical_span};
use crate::usage::{TokenCountBasis, TokenInclusionRule};

fn read(attributes: Value) -> SpanExplanation {
    let Value::Object(attributes) = attributes else { panic!("an object") };
    let raw = RawSpan {
        trace_id: TraceId(1),
        span_id: SpanId(2),
        parent_span_id: None,
        name: "chat gpt-4o".into(),
        op: "gen_ai.chat".into(),
        origin: Some("auto.ai.openai".into()),
        status: RawStatus::Unset,
        status_detail: None,
        start_us: 1_790_000_000_000_000,
        end_us: 1_790_000_001_000_000,
        clock_shift_us: 0,
        time_sources: Default::default(),
        attributes,
        measurements: Vec::new(),
        tags: Default::default(),
    };
    let span = canonical_span(raw, PriceBook::embedded());
    explain(&span, &SpanDecision::of(&span), PriceBook::embedded())
}

fn from<'a>(explanation: &'a SpanExplanation, field: &str) -> Option<&'a str> {
    explanation.fields.iter().find(|read| read.field == field).and_then(|read| read.source.attribute())
}

fn why(explanation: &SpanExplanation, name: &str) -> Option<(AttributeIgnoreReason, Option<String>)> {
    explanation.ignored.iter().find(|ignored| ignored.name == name).map(|ignored| (ignored.why, ignored.better.clone()))
}

#[test]
fn each_field_has_a_source_and_each_attribute_a_use() {
    let told = read(json!({
        "gen_ai.request.model": "gpt-4o", "gen_ai.system": "openai", "gen_ai.provider.name": "openai",
        "gen_ai.input.messages": "[{\"role\":\"user\",\"content\":\"q\"}]", "input.value": "q",
        "gen_ai.usage.input_tokens": 2585, "gen_ai.usage.cache_read.input_tokens": 2048, "gen_ai.usage.output_tokens": 64,
        "gen_ai.usage.total_tokens": 2649, "llm.token_count.prompt": "many", "gen_ai.request.temperature": 0.2,
        "my.own": 1, "gen_ai.conversation.id": "", "user.id": "u1",
    }));
    assert_eq!(from(&told, "provider"), Some("gen_ai.provider.name"));
    assert_eq!(from(&told, "input_messages"), Some("gen_ai.input.messages"));
    assert_eq!(from(&told, "user_id"), Some("user.id"));
    assert_eq!(why(&told, "gen_ai.system"), Some((AttributeIgnoreReason::Better, Some("gen_ai.provider.name".into()))));
    assert_eq!(why(&told, "input.value"), Some((AttributeIgnoreReason::Better, Some("gen_ai.input.messages".into()))));
    assert_eq!(why(&told, "llm.token_count.prompt"), Some((AttributeIgnoreReason::Unreadable, None)));
    assert_eq!(why(&told, "gen_ai.conversation.id"), Some((AttributeIgnoreReason::Empty, None)));
    assert_eq!(why(&told, "my.own"), Some((AttributeIgnoreReason::NoMeaning, None)));
    assert_eq!(why(&told, "gen_ai.request.temperature"), None, "a parameter is shown as such");
    assert_eq!(told.conventions[0].name, "OpenTelemetry GenAI");
    let input = told.input.unwrap();
    assert_eq!(
        (input.sent, input.special, input.whole, input.rule, input.because),
        (2585, 2048, 2585, TokenInclusionRule::Inclusive, TokenCountBasis::TotalAgrees)
    );
    assert_eq!(told.output, None);
}

#[test]
fn a_cost_with_its_lines_and_the_date_of_its_price() {
    let told = read(json!({
        "gen_ai.request.model": "gpt-4o-mini", "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100, "gen_ai.cost.total_tokens": 0.5,
    }));
    let cost = told.cost.unwrap();
    // 1000 × $0.15/M + 100 × $0.60/M
    assert_eq!((cost.because, cost.total, cost.client), (CostBasis::Computed, Some(0.00021), Some(0.5)));
    assert_eq!(cost.lines.iter().map(|line| (line.bucket, line.tokens)).collect::<Vec<_>>(), [("input", 1000), ("output", 100)]);
    assert_eq!(cost.table_date, PriceBook::embedded().table().date());
    let because = |attributes| read(attributes).cost.unwrap().because;
    assert_eq!(because(json!({"gen_ai.request.model": "gpt-4o"})), CostBasis::NoUsage);
    assert_eq!(
        because(json!({"gen_ai.request.model": "mine-7b", "gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1})),
        CostBasis::NoPrice
    );
    assert_eq!(because(json!({"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1})), CostBasis::NoModel);
    assert_eq!(because(json!({"gen_ai.request.model": "gpt-4o", "error.type": "timeout"})), CostBasis::Failed);
}

#[test]
fn exclusion_reason_is_explained() {
    assert!(read(json!({"gen_ai.request.model": "gpt-4o"})).counted);
    let mut span = Span { counted: false, exclusion: Some(Exclusion::SameResponse { span_id: SpanId(9) }), ..Span::default() };
    span.kind = crate::span::SpanType::Llm;
    let local = SpanDecision { counted: true, user_id: Some("u".into()), ..SpanDecision::default() };
    let told = explain(&span, &local, PriceBook::embedded());
    assert!(!told.counted);
    assert_eq!(told.corrections.iter().map(|one| one.field).collect::<Vec<_>>(), ["counted", "user_id"]);
}

#[test]
fn numbered_message_attributes_are_not_ignored() {
    let told = read(json!({"gen_ai.request.model": "gpt-4o", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "q"}));
    let input = told.fields.iter().find(|read| read.field == "input_messages").unwrap();
    assert_eq!((&input.source, input.inferred), (&FieldSource::AttributePrefix("gen_ai.prompt"), false));
    assert!(told.ignored.is_empty(), "{:?}", told.ignored);
}
