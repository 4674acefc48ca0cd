//! Tests of filters in the trace list, failed calls by model, retries, and pasted IDs.

use super::oracle::spans;
use super::*;
use crate::filter::FilterTerm;

/// Fields that test the trace as a whole.
const TRACE_FIELDS: [&str; 7] = ["cost", "duration", "input_tokens", "output_tokens", "total_tokens", "name", "status"];

/// Returns a span with the values of a trace as a whole.
fn as_span(trace: &TraceSummary) -> Span {
    let total = trace.cost.map(|dollars| Usd::from_dollars(dollars).unwrap());
    Span {
        name: trace.name.clone(),
        status: [SpanStatus::Ok, SpanStatus::Error, SpanStatus::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == trace.status)
            .unwrap(),
        end_us: (trace.duration_ms * 1000.0).round() as i64,
        usage: Usage {
            input: Some(trace.input_tokens),
            output: Some(trace.output_tokens),
            total: Some(trace.total_tokens),
            ..Usage::default()
        },
        cost: total.map(|total| Cost { total, input: None, output: None, source: CostSource::Computed, price: None }),
        ..Span::default()
    }
}

fn selects(filter: &Filter, trace: &TraceSummary, in_range: &[&Span]) -> bool {
    let holds = |term: FilterTerm, span: &Span| SpanMatcher::new(&Filter(vec![term])).unwrap().holds(span);
    filter.0.iter().all(|term| match term {
        FilterTerm::Group { not, any } => any.iter().any(|filter| selects(filter, trace, in_range)) != *not,
        FilterTerm::Field { not, field, test } => {
            let plain = FilterTerm::Field { not: false, field: field.clone(), test: test.clone() };
            let found = if TRACE_FIELDS.contains(&field.as_str()) {
                holds(plain, &as_span(trace))
            } else {
                in_range.iter().any(|span| holds(plain.clone(), span))
            };
            found != *not
        }
        FilterTerm::Text { not, text } => {
            let plain = FilterTerm::Text { not: false, text: text.clone() };
            in_range.iter().any(|span| holds(plain.clone(), span)) != *not
        }
        FilterTerm::InTraces(_) | FilterTerm::InTargets { .. } => unreachable!("no text reads so"),
    })
}

/// Returns the IDs in a list, read page by page.
async fn ids(project: &ProjectSnapshot, scope: &QueryScope, sort: &str, limit: usize) -> BTreeSet<String> {
    let (mut ids, mut cursor, mut last) = (BTreeSet::new(), None, None);
    loop {
        let page = project.traces(scope, sort, limit, cursor.as_deref()).await.unwrap();
        for trace in &page.traces {
            assert!(ids.insert(trace.trace_id.clone()), "{} stands twice", trace.trace_id);
            let start = trace.start_time.to_string();
            assert!(sort != "-start_time" || last.is_none_or(|last| last >= start), "the newest first");
            last = Some(start);
        }
        assert!(page.next_cursor.is_none() || page.traces.len() == limit, "a page that is not the last is full");
        cursor = page.next_cursor;
        if cursor.is_none() {
            return ids;
        }
    }
}

const FILTERS: [&str; 22] = [
    "user:u1",
    "status:error",
    "-status:error",
    r#"name:"step 1""#,
    "name:step* status:cancelled",
    "cost:>0.00000002",
    "-cost:*",
    "cost:0",
    "duration:>30m",
    "input_tokens:>=200 user:u1",
    "total_tokens:>500 OR user:u4",
    "user:u1 model:gpt-4o",
    "user:u1 -user:u2",
    "-model:gpt-4o",
    "-user:*",
    "status:error OR user:u3",
    "-(user:u1 OR cost:>0.00000002) kind:llm",
    "output_tokens:<30 OR -user:*",
    "needle",
    "needle user:u1",
    "-needle",
    "status:ok (needle OR output_tokens:>50)",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn trace_list_and_totals_match_the_filter(spans in spans(), cut in any::<prop::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let cut = cut.index(spans.len() + 1);
            let given = Given::new().with(1, spans[..cut].to_vec()).await.flushed().await.with(1, spans[cut..].to_vec()).await;
            // The store's rules decide which spans count.
            let stored: Vec<Span> = snapshot_rows::rows(&given.store.snapshot()).into_values().map(|row| row.span).collect();
            let project = given.project(1);
            let all = project.traces(&QueryScope::all(), "-start_time", 1000, None).await.unwrap().traces;
            for (from_us, to_us) in [(i64::MIN, i64::MAX), (BASE_US + 50 * MINUTE_US, BASE_US + 120 * MINUTE_US)] {
                for text in FILTERS {
                    let scope = QueryScope { from_us, to_us, filter: Filter::parse(text).unwrap() };
                    let in_range = |id: &str| {
                        let is_in = |span: &&Span| span.trace_id.to_string() == id && (from_us..to_us).contains(&span.start_us);
                        stored.iter().filter(is_in).collect::<Vec<&Span>>()
                    };
                    let passes = |trace: &&TraceSummary| {
                        let spans = in_range(&trace.trace_id);
                        !spans.is_empty() && selects(&scope.filter, trace, &spans)
                    };
                    let wanted: BTreeSet<String> = all.iter().filter(passes).map(|trace| trace.trace_id.clone()).collect();
                    for (sort, limit) in [("-start_time", 1000), ("-start_time", 7), ("-cost", 1000)] {
                        assert_eq!(ids(&project, &scope, sort, limit).await, wanted, "{text} by {sort}, {limit} a page");
                    }
                    let selected = project.scope_of_traces(&scope).await.unwrap();
                    let summary = project.summary(&selected).await.unwrap();
                    let spans: usize = wanted.iter().map(|id| in_range(id).len()).sum();
                    assert_eq!((summary.traces, summary.spans), (wanted.len() as u64, spans as u64), "sums of {text}");
                }
            }
        });
    }
}

fn requested(model: &str, status: SpanStatus, span: Span) -> Span {
    Span { request_model: Some(model.into()), response_model: span.response_model.filter(|_| status == SpanStatus::Ok), status, ..span }
}

#[tokio::test]
async fn failed_call_is_grouped_under_the_usual_answering_model() {
    let spans = vec![
        requested("gpt-4o", SpanStatus::Ok, call(1, 1, 0, 0, "gpt-4o-2024-08-06")),
        requested("gpt-4o", SpanStatus::Ok, call(1, 2, 0, 1, "gpt-4o-2024-08-06")),
        requested("gpt-4o", SpanStatus::Ok, call(1, 3, 0, 2, "gpt-4o-2024-11-20")),
        requested("gpt-4o", SpanStatus::Error, call(1, 4, 0, 3, "")),
        requested("gone", SpanStatus::Error, call(2, 5, 0, 4, "")),
        requested("gpt-4o", SpanStatus::Error, call(3, 6, 0, 300, "")),
    ];
    let given = Given::new().with(1, spans).await.flushed().await;
    for min_rollup_rows in [0, u64::MAX] {
        let project = QueryEngine { min_rollup_rows, ..given.engine.clone() }.project(given.store.snapshot(), 1);
        let rows = async |scope: &QueryScope| {
            let rows = project.breakdown(scope, &GroupBy::parse("model").unwrap(), "key", 10).await.unwrap();
            rows.into_iter().map(|row| (row.key.unwrap(), row.llm_calls, row.failed_llm_calls)).collect::<Vec<_>>()
        };
        let row = |key: &str, calls: u64, failed: u64| (key.to_owned(), calls, failed);
        let all = [row("gone", 1, 1), row("gpt-4o-2024-08-06", 4, 2), row("gpt-4o-2024-11-20", 1, 0)];
        assert_eq!(rows(&QueryScope::all()).await, all);
        // The answering model is determined from the range, regardless of the filter.
        assert_eq!(rows(&scope("status:error")).await, [row("gone", 1, 1), row("gpt-4o-2024-08-06", 2, 2)]);
        let late = QueryScope { from_us: BASE_US + 299 * MINUTE_US, ..QueryScope::all() };
        assert_eq!(rows(&late).await, [row("gpt-4o", 1, 1)], "nothing answered in this range");
        let by = GroupBy::parse("model").unwrap();
        let series =
            project.series(&QueryScope::all(), BucketInterval::parse("1h").unwrap(), &[SeriesMeasure::Failed], Some(&by)).await.unwrap();
        let keys: BTreeSet<_> = series.measures["failed"].iter().filter_map(|line| line.key.as_deref()).collect();
        assert_eq!(keys, ["gone", "gpt-4o-2024-08-06"].into());
        let facets = project.facets(&QueryScope::all(), &facet("model", "")).await.unwrap();
        assert_eq!((facets[0].value.as_str(), facets[0].count), ("gpt-4o-2024-08-06", 4));
        let chosen = FacetQuery { values: vec!["gpt-4o".into()], ..facet("model", "") };
        let facets = project.facets(&QueryScope::all(), &chosen).await.unwrap();
        assert_eq!(facets.last().map(|facet| (facet.value.as_str(), facet.count)), Some(("gpt-4o", 5)), "what the filter would select");
        // The span keeps its own model, and filters match both names.
        let spans = project.spans(&scope("model:gpt-4o status:error"), "start_time", 10, None).await.unwrap().spans;
        assert_eq!(spans.iter().map(|span| span.model.as_deref()).collect::<Vec<_>>(), [Some("gpt-4o"); 2]);
        assert_eq!(project.summary(&scope("model:gpt-4o")).await.unwrap().llm_calls, 5);
    }
    let traces = given.project(1).traces(&QueryScope::all(), "start_time", 10, None).await.unwrap().traces;
    assert_eq!(traces[0].models, ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"], "the dearest first, and no model of the call that failed");
    assert_eq!(traces[1].models, ["gone"]);
}

#[tokio::test]
async fn retries_are_failed_calls_with_a_later_success() {
    let chat = |id: u64, second: i64, status: SpanStatus, input: &str| {
        let call = requested("o3", status, call(1, id, 7, 0, "o3"));
        let start_us = BASE_US + second * 1_000_000;
        let input_messages = if input.is_empty() { Vec::new() } else { said("user", input) };
        Span { start_us, end_us: start_us + 900_000, input_messages, ..call }
    };
    let retries = async |calls: Vec<Span>| {
        let given = Given::new().with(1, calls).await;
        given.project(1).traces(&QueryScope::all(), "-start_time", 1, None).await.unwrap().traces[0].retries
    };
    let (ok, failed) = (SpanStatus::Ok, SpanStatus::Error);
    assert_eq!(retries(vec![chat(1, 0, failed, "a"), chat(2, 1, failed, "a"), chat(3, 2, ok, "a")]).await, 2);
    assert_eq!(retries(vec![chat(1, 0, failed, "a"), chat(2, 1, ok, "b")]).await, 0, "another question");
    assert_eq!(retries(vec![chat(1, 0, ok, "a"), chat(2, 1, failed, "a")]).await, 0, "nothing followed");
    assert_eq!(retries(vec![chat(1, 0, failed, "a")]).await, 0);
    assert_eq!(retries(vec![chat(1, 0, failed, ""), chat(2, 1, ok, "")]).await, 1, "without inputs, below one parent");
}

#[tokio::test]
async fn pasted_ids_and_prompt_texts_are_found() {
    let long = format!("{} The temple garden.", "x".repeat(500));
    let chat = Span {
        user_id: Some("u_2290".into()),
        session_id: Some("s 1".into()),
        input_messages: said("user", &long),
        ..call(0xabc, 0xdef, 0, 0, "o3")
    };
    let given = Given::new().with(1, vec![chat, span(0xabc, 0xaaa, 0xdef, 1)]).await.flushed().await;
    let project = given.project(1);
    let found = async |word: &str| {
        let suggestions = project.suggestions(&Filter::parse(word).unwrap()).await.unwrap();
        suggestions.into_iter().map(|one| (one.q, one.trace_id, one.span_id)).collect::<Vec<_>>()
    };
    let (trace, span) = (TraceId(0xabc).to_string(), SpanId(0xaaa).to_string());
    assert_eq!(found("u_2290").await, [("user:u_2290".into(), None, None)]);
    assert_eq!(found(r#""s 1""#).await, [(r#""session":"s 1""#.into(), None, None)]);
    assert_eq!(found(&trace).await, [(format!("trace:{trace}"), Some(trace.clone()), None)]);
    assert_eq!(found(&span.to_uppercase()).await, [(format!("span:{span}"), Some(trace), Some(span))]);
    assert!(found("nobody user:u_2290 -u_2290").await.is_empty());

    let holding = async |text: &str| project.spans_containing(TraceId(0xabc), text).await.unwrap();
    assert_eq!(holding("TEMPLE garden").await, [SpanId(0xdef)]);
    assert_eq!(holding("step").await.len(), 2, "names too");
    assert!(holding("pagoda").await.is_empty());
}

#[tokio::test]
async fn a_span_is_compared_with_the_median_of_its_kind() {
    // One run took an hour: the mean would not show what is usual.
    let durations = [1000, 1100, 1200, 1300, 1400, 3_600_000];
    let earlier = durations.into_iter().zip(1..).map(|(ms, id): (i64, u64)| {
        let span = span(id, 4 * id, 0, id as i64);
        Span { end_us: span.start_us + ms * 1000, ..span }
    });
    let late = span(99, 400, 0, 100);
    let late = Span { end_us: late.start_us + 2_500_000, ..late };
    let given = Given::new().with(1, earlier.chain([late]).collect()).await.flushed().await;
    for (min_rollup_rows, median_ms) in [(u64::MAX, 1250.0), (0, 1250.0)] {
        let project = QueryEngine { min_rollup_rows, ..given.engine.clone() }.project(given.store.snapshot(), 1);
        let compared = project.trace(&TraceId(99), None).await.unwrap().unwrap().spans[0].compared.unwrap();
        assert_eq!(compared.n, 6);
        assert!((compared.median_ms - median_ms).abs() <= 0.01 * median_ms && (compared.ratio - 2.0).abs() < 0.03, "{compared:?}");
    }
}

#[tokio::test]
async fn chosen_facet_value_is_counted_beyond_the_first_ones() {
    // Two spans in each trace.
    let user = |trace: u64| Some(format!("u{}", if trace > 6 { 1 } else { trace }));
    let spans = (1..=18u64).map(|id| Span { user_id: user(id.div_ceil(2)), ..call(id.div_ceil(2), id, 0, 0, "o3") });
    let given = Given::new().with(1, spans.collect()).await;
    for (counts_traces, factor) in [(true, 1), (false, 2)] {
        let asked = FacetQuery {
            values: vec!["u6".into(), "u5".into(), "u1".into(), "nobody".into()],
            limit: 2,
            counts_traces,
            ..facet("user", "")
        };
        let found = given.project(1).facets(&QueryScope::all(), &asked).await.unwrap();
        let found: Vec<_> = found.iter().map(|facet| (facet.value.as_str(), facet.count)).collect();
        assert_eq!(found, [("u1", 4 * factor), ("u2", factor), ("u6", factor), ("u5", factor)], "traces: {counts_traces}");
    }
}
