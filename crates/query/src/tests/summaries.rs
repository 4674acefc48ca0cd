//! Tests of the summary of a trace in lists.

use super::*;

async fn summaries(spans: Vec<Span>) -> Vec<TraceSummary> {
    let given = Given::new().with(1, spans).await;
    given.project(1).traces(&QueryScope::all(), "start_time", 10, None).await.unwrap().traces
}

#[tokio::test]
async fn trace_models_are_sorted_by_cost_and_embeddings_come_last() {
    let embedding = |trace, id, minute| Span { kind: SpanType::Embedding, ..call(trace, id, 0, minute, "embed-small") };
    let unpriced = |trace, id, minute| Span { cost: None, ..call(trace, id, 0, minute, "mine-7b") };
    let traces = summaries(vec![
        embedding(1, 1, 0),
        call(1, 2, 0, 1, "gpt-4o-mini"),
        call(1, 3, 0, 2, "gpt-4o"),
        embedding(2, 11, 20),
        unpriced(2, 12, 21),
        call(2, 13, 0, 22, "gpt-4o"),
        Span { cost: None, ..embedding(3, 21, 40) },
        unpriced(3, 22, 41),
        embedding(4, 39, 60),
        call(4, 31, 0, 61, "gpt-4o"),
    ])
    .await;
    let models: Vec<Vec<&str>> = traces.iter().map(|trace| trace.models.iter().map(String::as_str).collect()).collect();
    assert_eq!(models[0], ["gpt-4o", "gpt-4o-mini", "embed-small"]);
    assert_eq!(models[1], ["gpt-4o", "mine-7b", "embed-small"]);
    assert_eq!(models[2], ["mine-7b", "embed-small"]);
    assert_eq!(models[3], ["embed-small", "gpt-4o"], "one that costs more");
}

#[tokio::test]
async fn trace_error_is_that_of_the_innermost_failed_span() {
    let failed = |span: Span, detail: Option<&str>| Span { status: SpanStatus::Error, status_detail: detail.map(str::to_owned), ..span };
    let traces = summaries(vec![
        failed(span(1, 1, 0, 0), Some("internal_error")),
        failed(call(1, 2, 1, 1, "gpt-4o"), Some(&"é".repeat(201))),
        failed(span(1, 3, 1, 2), Some("a later one")),
        failed(span(2, 11, 0, 20), Some("the only one that says why")),
        failed(span(2, 12, 11, 21), None),
        Span { status: SpanStatus::Cancelled, status_detail: Some("no failure".into()), ..span(3, 21, 0, 40) },
    ])
    .await;
    let errors: Vec<Option<&str>> = traces.iter().map(|trace| trace.error_preview.as_deref()).collect();
    assert_eq!(errors, [Some(&*"é".repeat(200)), Some("the only one that says why"), None]);
}
