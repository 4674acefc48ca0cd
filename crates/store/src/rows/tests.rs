//! Round trips of generated spans.

use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::id::TraceId;
use hinomi_model::span::Span;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::schema::SCHEMA;
use crate::tests::any_span::{any_span, exclusion, maybe_text};

fn any_row() -> impl Strategy<Value = SpanRow> {
    let decision = (any::<bool>(), exclusion(), maybe_text(), any::<bool>());
    (any::<u64>(), any::<i64>(), any_span(), proptest::option::of(decision)).prop_map(|(project_id, received_us, span, local)| SpanRow {
        project_id,
        received_us,
        span,
        local: local.map(|(counted, exclusion, pipeline, is_run)| {
            Box::new(SpanDecision { counted, exclusion, user_id: pipeline.clone(), pipeline, is_run, session_id: None })
        }),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_come_back_as_they_were(rows in proptest::collection::vec(any_row(), 0..5)) {
        let batch = to_batch(&rows);
        prop_assert_eq!(batch.schema(), SCHEMA.clone());
        prop_assert_eq!(from_batch(&batch), rows);
    }
}

#[test]
fn projection_leaves_other_fields_at_default() {
    let span = Span { name: "chat".into(), op: "gen_ai.chat".into(), trace_id: TraceId(7), ..Span::default() };
    let batch = to_batch(&[SpanRow { project_id: 3, span, ..SpanRow::default() }]);
    let names: Vec<usize> = ["trace_id", "name"].iter().map(|name| SCHEMA.index_of(name).unwrap()).collect();
    let rows = from_batch(&batch.project(&names).unwrap());
    assert_eq!(rows, [SpanRow { span: Span { name: "chat".into(), trace_id: TraceId(7), ..Span::default() }, ..SpanRow::default() }]);
}

#[test]
fn attributes_nested_beyond_the_parser_are_kept_as_text() {
    let mut deep = json!("bottom");
    for _ in 0..126 {
        deep = json!([deep]);
    }
    let mut deeper = deep.clone();
    for _ in 0..5 {
        deeper = json!([deeper]);
    }
    let mut span = Span::default();
    span.attributes.insert("deep".into(), deep.clone());
    span.attributes.insert("deeper".into(), deeper.clone());
    span.attributes.insert("flat".into(), json!(1));
    let rows = from_batch(&to_batch(&[SpanRow { span, ..SpanRow::default() }]));
    let attributes = &rows[0].span.attributes;
    assert_eq!(attributes["deep"], deep);
    assert_eq!(attributes["deeper"], Value::String(deeper.to_string()));
    assert_eq!(attributes["flat"], json!(1));
}

#[test]
fn decision_preserves_the_local_one() {
    let mut row = SpanRow { span: Span { pipeline: Some("own".into()), ..Span::default() }, ..SpanRow::default() };
    let own = SpanDecision::of(&row.span);
    let other =
        SpanDecision { counted: false, exclusion: Some(Exclusion::SumOfCalls), pipeline: Some("P".into()), ..SpanDecision::default() };
    row.decide(&other);
    row.decide(&SpanDecision { pipeline: Some("Q".into()), ..other });
    assert_eq!(row.span.pipeline.as_deref(), Some("Q"));
    assert_eq!(row.locally(), own);
    row.decide(&own);
    assert_eq!(row.local, None);
}
