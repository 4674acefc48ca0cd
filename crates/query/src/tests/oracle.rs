//! Results from roll-ups, from the memtable and from segments agree with those that this module computes from plain rows.

use super::*;

/// Trace, parent, minute, model, status, cost, whether the span counts, and user.
type Drawn = (u64, u64, i64, usize, usize, usize, bool, u64);

/// Generates spans of a few traces that differ in everything that affects totals.
pub(super) fn spans() -> impl Strategy<Value = Vec<Span>> {
    let one = (1..6u64, 0..4u64, 0..200i64, 0..4usize, 0..3usize, 0..3usize, any::<bool>(), 0..5u64);
    proptest::collection::vec(one, 1..60).prop_map(|drawn| {
        let make = |(at, drawn): (usize, Drawn)| {
            let (trace, parent, minute, model, status, known, counted, user) = drawn;
            let id = at as u64 + 1;
            let models = ["gpt-4o", "gpt-4o-mini", "o3", ""];
            let mut span = if model < 3 { call(trace, id, parent, minute, models[model]) } else { span(trace, id, parent, minute) };
            span.status = [SpanStatus::Ok, SpanStatus::Error, SpanStatus::Cancelled][status];
            span.counted = counted || !span.is_call();
            if model < 3 {
                span.request_model = Some(["gpt-4o", "gpt-4o", "o3"][model].into());
                // Failed calls rarely have an answering model.
                span.response_model = span.response_model.filter(|_| span.status == SpanStatus::Ok || known == 2);
            }
            if id.is_multiple_of(5) {
                span.output_messages = said("assistant", "a needle");
            }
            span.has_no_duration = id.is_multiple_of(7);
            span.is_run = id.is_multiple_of(3);
            span.user_id = (user > 0).then(|| format!("u{user}"));
            if known == 0 {
                span.cost = None;
            }
            if known == 1 {
                span.cost = None;
                span.usage = Usage::default();
            }
            span
        };
        drawn.into_iter().enumerate().map(make).collect()
    })
}

fn counted_calls<'a>(spans: &'a [&Span]) -> Vec<&'a Span> {
    spans.iter().copied().filter(|span| span.is_call() && span.counted).collect()
}

/// Returns a percentile, interpolated between adjacent values, in milliseconds.
fn percentile(calls: &[&Span], share: f64) -> Option<f64> {
    let mut durations: Vec<f64> = calls.iter().filter_map(|call| call.duration_us()).map(|us| us as f64 / 1000.0).collect();
    durations.sort_by(f64::total_cmp);
    let at = share * (durations.len().checked_sub(1)? as f64);
    let (low, high) = (durations[at.floor() as usize], durations[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

fn cost(calls: &[&Span]) -> Option<f64> {
    let known: Vec<Usd> = calls.iter().filter_map(|call| call.cost.as_ref()).map(|cost| cost.total).collect();
    if calls.is_empty() { Some(0.0) } else { (!known.is_empty()).then(|| known.into_iter().sum::<Usd>().dollars()) }
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-6 * a.abs().max(1.0),
        (a, b) => a == b,
    }
}

async fn check_summary(project: &ProjectSnapshot, scope: &QueryScope, spans: &[&Span]) {
    let got = project.summary(scope).await.unwrap();
    let calls = counted_calls(spans);
    let sum = |of: fn(&Span) -> u64| calls.iter().map(|call| of(call)).sum::<u64>();
    assert_eq!(got.spans, spans.len() as u64);
    assert_eq!(got.traces, spans.iter().map(|span| span.trace_id).collect::<BTreeSet<_>>().len() as u64);
    assert_eq!(got.users, spans.iter().filter_map(|span| span.user_id.as_ref()).collect::<BTreeSet<_>>().len() as u64);
    assert_eq!(got.llm_calls, calls.len() as u64);
    assert_eq!(got.failed_llm_calls, sum(|call| u64::from(call.status == SpanStatus::Error)));
    assert_eq!(got.input_tokens, sum(|call| call.usage.input_tokens().unwrap_or(0)));
    assert_eq!(got.output_tokens, sum(|call| call.usage.output_tokens().unwrap_or(0)));
    assert_eq!(got.calls_without_usage, sum(|call| u64::from(call.status == SpanStatus::Ok && call.usage.is_unknown())));
    let unpriced = |call: &Span| call.cost.is_none() && !call.usage.is_unknown() && call.status != SpanStatus::Error;
    assert_eq!(got.unpriced_calls, calls.iter().filter(|call| unpriced(call)).count() as u64);
    let mut models: BTreeMap<&str, usize> = BTreeMap::new();
    calls.iter().filter(|call| unpriced(call)).filter_map(|call| call.model()).for_each(|model| *models.entry(model).or_default() += 1);
    let mut models: Vec<(&str, usize)> = models.into_iter().collect();
    models.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    assert_eq!(got.unpriced_models, models.iter().map(|(model, _)| *model).collect::<Vec<_>>());
    assert_eq!(got.unpriced_model_count, models.len() as u64);
    assert!(close(got.cost, cost(&calls)), "{:?} {:?}", got.cost, cost(&calls));
    for (got, share) in [(got.duration_ms.p50, 0.5), (got.duration_ms.p95, 0.95), (got.duration_ms.p99, 0.99)] {
        assert!(close(got, percentile(&calls, share)), "{share}: {got:?} {:?}", percentile(&calls, share));
    }
}

async fn check_breakdown_and_series(project: &ProjectSnapshot, spans: &[&Span]) {
    let by = GroupBy::parse("model").unwrap();
    // The model that answered most calls with the same requested model.
    let answering = |requested: Option<&str>| {
        let mut models: BTreeMap<&str, usize> = BTreeMap::new();
        let answered =
            counted_calls(spans).into_iter().filter(|call| call.status == SpanStatus::Ok && call.request_model.as_deref() == requested);
        answered.filter_map(Span::model).for_each(|model| *models.entry(model).or_default() += 1);
        models.into_iter().rev().max_by_key(|(_, calls)| *calls).map(|(model, _)| model)
    };
    let mut expected: BTreeMap<Option<&str>, Vec<&Span>> = BTreeMap::new();
    for call in counted_calls(spans) {
        let requested = call.request_model.as_deref();
        let is_unanswered = call.status != SpanStatus::Ok && requested.is_some() && call.model() == requested;
        let key = if is_unanswered { answering(requested).or(requested) } else { call.model() };
        expected.entry(key).or_default().push(call);
    }
    let rows = project.breakdown(&QueryScope::all(), &by, "-cost", 100).await.unwrap();
    assert_eq!(rows.len(), expected.len());
    for row in &rows {
        let calls = &expected[&row.key.as_deref()];
        assert_eq!(row.llm_calls, calls.len() as u64);
        assert!(close(row.cost, cost(calls)));
        assert!(close(row.duration_ms.p95, percentile(calls, 0.95)));
    }
    let costs: Vec<f64> = rows.iter().map(|row| row.cost.unwrap_or(-1.0)).collect();
    assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");

    let bucket = BucketInterval::parse("15m").unwrap();
    let measures = [SeriesMeasure::Calls, SeriesMeasure::Cost, SeriesMeasure::DurationP50, SeriesMeasure::Spans];
    let series = project.series(&QueryScope::all(), bucket, &measures, None).await.unwrap();
    for (slot, start) in series.starts_us.iter().enumerate() {
        let inside: Vec<&Span> =
            spans.iter().copied().filter(|span| (*start..start + bucket.length_us()).contains(&span.start_us)).collect();
        let calls = counted_calls(&inside);
        let point = |measure: SeriesMeasure| series.measures[measure.name()][0].points[slot].1;
        assert_eq!(point(SeriesMeasure::Calls), Some(calls.len() as f64));
        assert_eq!(point(SeriesMeasure::Spans), Some(inside.len() as f64));
        assert!(close(point(SeriesMeasure::Cost), cost(&calls)));
        assert!(close(point(SeriesMeasure::DurationP50), percentile(&calls, 0.5)));
    }
    let drawn: f64 = series.measures["spans"][0].points.iter().filter_map(|(_, value)| *value).sum();
    assert_eq!(drawn, spans.len() as f64, "every span is in a bucket");
}

async fn check_lists(project: &ProjectSnapshot, spans: &[&Span]) {
    for sort in ["-start_time", "cost", "-cost", "duration_ms", "name", "-total_tokens"] {
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = project.spans(&QueryScope::all(), sort, 7, cursor.as_deref()).await.unwrap();
            seen.extend(page.spans);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let ids: BTreeSet<_> = seen.iter().map(|span| (&span.trace_id, &span.span_id)).collect();
        assert_eq!((seen.len(), ids.len()), (spans.len(), spans.len()), "{sort}");
        let costs: Vec<_> = seen.iter().map(|span| span.cost.as_ref().map(|cost| cost.total)).collect();
        let known: Vec<_> = costs.iter().flatten().collect();
        match sort {
            "-start_time" => assert!(seen.is_sorted_by(|a, b| a.start_time >= b.start_time)),
            "cost" => assert!(known.is_sorted() && costs[..known.len()].iter().all(Option::is_some)),
            "-cost" => assert!(known.is_sorted_by(|a, b| a >= b) && costs[..known.len()].iter().all(Option::is_some)),
            "name" => assert!(seen.is_sorted_by(|a, b| a.name <= b.name)),
            "duration_ms" => {
                let known: Vec<f64> = seen.iter().filter_map(|span| span.duration_ms).collect();
                assert!(known.is_sorted() && seen[..known.len()].iter().all(|span| span.duration_ms.is_some()), "unknown ones are last");
            }
            _ => {}
        }
    }
    for sort in ["-start_time", "-cost", "duration_ms", "-total_tokens", "span_count"] {
        let mut seen = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = project.traces(&QueryScope::all(), sort, 2, cursor.as_deref()).await.unwrap();
            seen.extend(page.traces);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let mut by_trace: BTreeMap<String, Vec<&Span>> = BTreeMap::new();
        for span in spans {
            by_trace.entry(span.trace_id.to_string()).or_default().push(span);
        }
        assert_eq!(seen.len(), by_trace.len(), "{sort}");
        for trace in &seen {
            let spans = &by_trace[&trace.trace_id];
            let calls = counted_calls(spans);
            assert_eq!((trace.span_count, trace.llm_calls), (spans.len() as u64, calls.len() as u64));
            assert!(close(trace.cost, cost(&calls)));
        }
        match sort {
            "-start_time" => assert!(seen.is_sorted_by(|a, b| a.start_time >= b.start_time)),
            "-cost" => assert!(seen.iter().filter_map(|trace| trace.cost).is_sorted_by(|a, b| a >= b)),
            "duration_ms" => assert!(seen.is_sorted_by(|a, b| a.duration_ms <= b.duration_ms)),
            "span_count" => assert!(seen.is_sorted_by(|a, b| a.span_count <= b.span_count)),
            _ => assert!(seen.is_sorted_by(|a, b| a.total_tokens >= b.total_tokens)),
        }
    }
}

/// Compares values with the tolerance of percentiles from roll-ups.
fn near(rolled: Option<f64>, exact: Option<f64>) -> bool {
    match (rolled, exact) {
        (Some(rolled), Some(exact)) => (rolled - exact).abs() <= 0.01 * exact + 1e-6,
        (rolled, exact) => rolled == exact,
    }
}

fn assert_near(rolled: DurationPercentiles, exact: DurationPercentiles) {
    assert!(near(rolled.p50, exact.p50) && near(rolled.p95, exact.p95) && near(rolled.p99, exact.p99), "{rolled:?} {exact:?}");
}

/// Compares both ways to compute results, for ranges that split hours and for filters. `turn` selects the property of the breakdown.
pub(super) async fn check_rolled(rolled: &ProjectSnapshot, exact: &ProjectSnapshot, turn: usize) {
    let filters = ["", "model:gpt-4o*", "-model:o3,gpt-4o kind:llm", "status:error", "-model:*", "pipeline:*", "user:u1"];
    let ranges = [(i64::MIN, i64::MAX), (BASE_US, BASE_US + 120 * MINUTE_US), (BASE_US + 30 * MINUTE_US, BASE_US + 150 * MINUTE_US + 1)];
    for (range, (from_us, to_us)) in ranges.into_iter().enumerate() {
        for (number, filter) in filters.into_iter().enumerate().filter(|(number, _)| number % 3 != turn % 3) {
            let scope = QueryScope { from_us, to_us, filter: Filter::parse(filter).unwrap() };
            let (mut one, other) = (rolled.summary(&scope).await.unwrap(), exact.summary(&scope).await.unwrap());
            assert_near(std::mem::replace(&mut one.duration_ms, other.duration_ms), other.duration_ms);
            assert_eq!(one, other, "{filter}");
            let by = ["model", "kind", "pipeline", "agent", "tool", "user"][(turn + number + range) % 6];
            let bucket = ["30m", "1h", "6h"][(turn + number) % 3];
            check_rolled_by(rolled, exact, &scope, &GroupBy::parse(by).unwrap(), bucket).await;
        }
    }
}

async fn check_rolled_by(rolled: &ProjectSnapshot, exact: &ProjectSnapshot, scope: &QueryScope, by: &GroupBy, bucket: &str) {
    let rows = async |project: &ProjectSnapshot| project.breakdown(scope, by, "key", 100).await.unwrap();
    let (mut ones, others) = (rows(rolled).await, rows(exact).await);
    assert_eq!(ones.len(), others.len());
    for (one, other) in ones.iter_mut().zip(&others) {
        assert_near(std::mem::replace(&mut one.duration_ms, other.duration_ms), other.duration_ms);
        let runs = std::mem::replace(&mut one.run_duration_ms, other.run_duration_ms);
        assert!(near(runs.p50, other.run_duration_ms.p50) && close(runs.mean, other.run_duration_ms.mean));
        assert_eq!(one, other);
    }
    let measures = [
        SeriesMeasure::Calls,
        SeriesMeasure::Failed,
        SeriesMeasure::Cost,
        SeriesMeasure::InputTokens,
        SeriesMeasure::Runs,
        SeriesMeasure::Spans,
        SeriesMeasure::DurationP95,
    ];
    let lines =
        async |project: &ProjectSnapshot| project.series(scope, BucketInterval::parse(bucket).unwrap(), &measures, Some(by)).await.unwrap();
    let (ones, others) = (lines(rolled).await, lines(exact).await);
    assert_eq!(ones.starts_us, others.starts_us);
    for measure in measures {
        let of = |series: &TimeSeries| -> BTreeMap<_, _> {
            series.measures[measure.name()].iter().map(|line| (line.key.clone(), line.points.clone())).collect()
        };
        let (ones, others) = (of(&ones), of(&others));
        assert!(ones.keys().eq(others.keys()), "{measure:?}");
        for ((_, one), (_, other)) in ones.values().zip(others.values()).flat_map(|(one, other)| one.iter().zip(other)) {
            assert!(if measure.is_duration() { near(*one, *other) } else { one == other }, "{measure:?} {one:?} {other:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn rollups_agree_with_rows(spans in spans(), cuts in any::<[prop::sample::Index; 2]>(), turn in 0..18usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut cuts = cuts.map(|cut| cut.index(spans.len() + 1));
            cuts.sort_unstable();
            // Later spans make some earlier rows dead; the last ones are in the memtable.
            let given = Given::new().with(1, spans[..cuts[0]].to_vec()).await.with(2, spans[..cuts[0]].to_vec()).await.flushed().await;
            let given = given.with(1, spans[cuts[0]..cuts[1]].to_vec()).await.flushed().await;
            let given = given.with(1, spans[cuts[1]..].to_vec()).await;
            let rolling = QueryEngine { min_rollup_rows: 0, ..given.engine.clone() };
            let exact = QueryEngine { min_rollup_rows: u64::MAX, ..given.engine.clone() };
            let snapshot = given.store.snapshot();
            check_rolled(&rolling.project(snapshot.clone(), 1), &exact.project(snapshot, 1), turn).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn memtable_and_segments_agree_with_plain_rows(spans in spans(), cut in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cut = cut.index(spans.len() + 1);
            let (early, late) = (spans[..cut].to_vec(), spans[cut..].to_vec());
            let foreign: Vec<Span> = spans.iter().take(5).cloned().collect();
            let given = Given::new().with(2, foreign).await.with(1, early).await.flushed().await.with(1, late).await;
            // The store's rules decide which spans count: the oracle starts from the stored rows.
            let rows: Vec<Span> = snapshot_rows::rows(&given.store.snapshot()).into_iter()
                .filter(|((project, ..), _)| *project == 1).map(|(_, row)| row.span).collect();
            let all: Vec<&Span> = rows.iter().collect();
            for given in [given.project(1), { given.store.flush().await.unwrap(); given.project(1) }] {
                check_summary(&given, &QueryScope::all(), &all).await;
                let range = QueryScope { from_us: BASE_US + 50 * MINUTE_US, to_us: BASE_US + 120 * MINUTE_US, ..scope("-model:o3 -user:u1") };
                let some: Vec<&Span> = all.iter().copied().filter(|span| {
                    let is_o3 = span.model() == Some("o3") || span.request_model.as_deref() == Some("o3");
                    (range.from_us..range.to_us).contains(&span.start_us) && !is_o3 && span.user_id.as_deref() != Some("u1")
                }).collect();
                check_summary(&given, &range, &some).await;
                check_breakdown_and_series(&given, &all).await;
                check_lists(&given, &all).await;
            }
        });
    }
}
