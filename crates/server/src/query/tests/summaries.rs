//! What a list says of a trace in one line.

use super::*;

async fn summaries(spans: Vec<Span>) -> Vec<TraceSummary> {
    let given = Given::new().with(1, spans).await;
    given.project(1).traces(&QueryScope::all(), "start_time", 10, None).await.unwrap().traces
}

#[tokio::test]
async fn the_error_of_a_trace_is_that_of_the_span_that_failed_by_itself() {
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
