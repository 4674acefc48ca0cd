//! Tests of totals of many groups: the same results as from plain rows, in bounded memory and with bounded length.

use super::*;

/// Calls of `count` users, mostly one each, and of as many models, without prices. Every call takes a second.
fn many(count: u64) -> Vec<Span> {
    let one = |id: u64| Span {
        user_id: Some(format!("user {}", if id.is_multiple_of(3) { 0 } else { id })),
        cost: None,
        ..call(id, id, 0, (id % 200) as i64, &format!("model {}", id % (count / 2)))
    };
    let mut spans: Vec<Span> = (1..=count).map(one).collect();
    spans.iter_mut().for_each(|span| span.end_us = span.start_us + 1_000_000);
    spans
}

async fn given(count: u64) -> (Given, ProjectSnapshot, ProjectSnapshot) {
    // A file with thousands of rows in some hundred row groups takes minutes to read.
    let config = StoreConfig { rows_per_group: (count / 40).max(16) as usize, ..StoreConfig::default() };
    let given = Given::with_config(config).with(1, many(count)).await.flushed().await;
    let of = |min_rollup_rows: u64| QueryEngine { min_rollup_rows, ..given.engine.clone() }.project(given.store.snapshot(), 1);
    let (rolling, exact) = (of(0), of(u64::MAX));
    (given, rolling, exact)
}

#[tokio::test]
async fn first_groups_by_every_sort_order() {
    let (_given, rolling, exact) = given(240).await;
    for by in ["user", "model", "session"] {
        let by = GroupBy::parse(by).unwrap();
        for sort in
            ["-cost", "llm_calls", "-llm_calls", "-input_tokens", "key", "-key", "-duration_p95", "duration_p50", "-run_duration_p95"]
        {
            let rows = async |project: &ProjectSnapshot| project.breakdown(&QueryScope::all(), &by, sort, 7).await.unwrap();
            assert_eq!(rows(&rolling).await, rows(&exact).await, "{by:?} {sort}");
        }
    }
}

#[tokio::test]
async fn groups_beyond_the_local_table_are_merged() {
    let (_given, rolling, _) = given(15_000).await;
    let by = GroupBy::parse("user").unwrap();
    let shown = rolling.breakdown(&QueryScope::all(), &by, "-llm_calls", 2).await.unwrap();
    assert_eq!((shown[0].key.as_deref(), shown[0].llm_calls, shown[1].llm_calls), (Some("user 0"), 5_000, 1));
    assert_eq!(shown[0].duration_ms.p50, Some(1000.0), "no percentile lies beyond what was measured");
    assert_eq!((shown[0].cost, shown[0].provider.as_deref()), (None, Some("openai")));
    let all = rolling.breakdown(&QueryScope::all(), &by, "-duration_p95", 20_000).await.unwrap();
    assert_eq!((all.len(), all.iter().map(|row| row.llm_calls).sum::<u64>()), (10_001, 15_000));
    assert!(all.iter().all(|row| row.duration_ms.p95 == Some(1000.0)));
}

#[tokio::test]
async fn a_chart_of_many_groups_has_the_largest_and_the_others_together() {
    let (_given, rolling, exact) = given(600).await;
    let by = GroupBy::parse("user").unwrap();
    let measures = [SeriesMeasure::Calls, SeriesMeasure::InputTokens, SeriesMeasure::Cost, SeriesMeasure::DurationP50];
    for bucket in ["5m", "1h", "1d"] {
        let series = async |project: &ProjectSnapshot| {
            project.series(&QueryScope::all(), BucketInterval::parse(bucket).unwrap(), &measures, Some(&by)).await.unwrap()
        };
        let (one, other) = (series(&rolling).await, series(&exact).await);
        for measure in [SeriesMeasure::Calls, SeriesMeasure::InputTokens] {
            assert_eq!(one.measures[measure.name()], other.measures[measure.name()], "{bucket}");
            assert_eq!(one.others, other.others, "{bucket}");
        }
        let lines = &one.measures["calls"];
        assert_eq!((lines.len(), lines[0].key.as_deref()), (50, Some("user 0")));
        let others = &one.others["calls"];
        assert_eq!(others.groups, 401 - 50);
        let drawn: f64 = lines.iter().flat_map(|line| &line.points).filter_map(|(_, value)| *value).sum();
        let rest: f64 = others.points.iter().flatten().filter_map(|(_, value)| *value).sum();
        assert_eq!(drawn + rest, 600.0);
        let durations = &one.measures["duration_p50"];
        assert_eq!((durations.len(), one.others["duration_p50"].points.is_none()), (50, true));
        assert!(durations.iter().flat_map(|line| &line.points).all(|(_, value)| value.is_none_or(|ms| ms == 1000.0)));
    }
    let all = rolling.series(&QueryScope::all(), BucketInterval::parse("1h").unwrap(), &measures, None).await.unwrap();
    assert!(all.others.is_empty());
    assert!(all.measures["cost"][0].points.iter().all(|(_, cost)| cost.is_none()), "calls without a price cost nobody knows what");
}

#[tokio::test]
async fn models_in_responses_are_limited() {
    let (_given, rolling, exact) = given(400).await;
    for project in [&rolling, &exact] {
        let summary = project.summary(&QueryScope::all()).await.unwrap();
        assert_eq!((summary.unpriced_models.len(), summary.unpriced_model_count, summary.unpriced_calls), (50, 200, 400));
        assert_eq!(summary.duration_ms.p99, Some(1000.0));
        let (models, count) = project.unpriced(&QueryScope::all(), 30).await.unwrap();
        assert_eq!((models.len(), count, models[0].calls), (30, 200, 2));
    }
}

#[tokio::test]
async fn groups_beyond_the_memory_limit_are_rejected() {
    let (given, ..) = given(6_000).await;
    let engine = QueryEngine { min_rollup_rows: 0, ..QueryEngine::with_memory(1 << 17, 1 << 17) };
    let project = engine.project(given.store.snapshot(), 1);
    for by in ["user", "model"] {
        let refused = project.breakdown(&QueryScope::all(), &GroupBy::parse(by).unwrap(), "-cost", 10).await.unwrap_err();
        assert!(refused.is_out_of_memory(), "{refused}");
    }
    let by = GroupBy::parse("user").unwrap();
    let refused =
        project.series(&QueryScope::all(), BucketInterval::parse("1h").unwrap(), &[SeriesMeasure::Calls], Some(&by)).await.unwrap_err();
    assert!(refused.is_out_of_memory(), "{refused}");
    // The rejected query has released its memory.
    assert!(project.series(&QueryScope::all(), BucketInterval::parse("1h").unwrap(), &[SeriesMeasure::Calls], None).await.is_ok());
}

#[tokio::test]
async fn the_oldest_span_of_all_projects() {
    let given = Given::new().with(2, vec![span(1, 1, 0, 7)]).await.flushed().await.with(1, vec![span(2, 2, 0, 9)]).await;
    let oldest = || given.engine.oldest_start_us(&given.store.snapshot()).unwrap();
    assert_eq!(oldest(), Some(BASE_US + 7 * MINUTE_US));
    assert_eq!(Given::new().engine.oldest_start_us(&Given::new().store.snapshot()).unwrap(), None);
}
