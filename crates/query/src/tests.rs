//! Tests of queries against an oracle that computes the results from plain rows: of the memtable, of segments, and of both.

mod groups;
mod isolation;
mod oracle;
mod orders;
#[path = "../../store/src/tests/snapshot_rows.rs"]
mod snapshot_rows;
mod summaries;
#[path = "../../store/src/tests/support.rs"]
mod support;
mod trace_filters;

use std::collections::{BTreeMap, BTreeSet};

use hinomi_model::hints::InstrumentationHint;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::price::PriceBook;
use hinomi_model::span::{ChatMessage, Cost, CostSource, MessagePart, Span, SpanStatus, SpanType, Usage, UsageSource};
use hinomi_store::{Store, StoreConfig};
use proptest::prelude::*;

use super::*;

const MINUTE_US: i64 = 60_000_000;
/// 2026-11-01T00:00:00Z
const BASE_US: i64 = 1_793_491_200_000_000;

/// A store whose spans are in segments up to the last `flush`.
struct Given {
    _dir: tempfile::TempDir,
    store: Store,
    engine: QueryEngine,
}

impl Given {
    fn new() -> Given {
        Given::with_config(StoreConfig { rows_per_group: 16, ..StoreConfig::default() })
    }

    fn with_config(config: StoreConfig) -> Given {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig { flush_age: std::time::Duration::from_secs(3600), ..config };
        Given { store: Store::open(dir.path(), config).unwrap(), _dir: dir, engine: QueryEngine::new() }
    }

    async fn with(self, project: u64, spans: Vec<Span>) -> Given {
        let count = spans.len();
        assert_eq!(self.store.append(project, spans).await.unwrap().stored, count);
        self
    }

    async fn flushed(self) -> Given {
        self.store.flush().await.unwrap();
        self
    }

    fn project(&self, project: u64) -> ProjectSnapshot {
        self.engine.project(self.store.snapshot(), project)
    }
}

fn span(trace: u64, id: u64, parent: u64, minute: i64) -> Span {
    Span {
        trace_id: TraceId(u128::from(trace)),
        span_id: SpanId(id),
        parent_span_id: (parent > 0).then_some(SpanId(parent)),
        name: format!("step {}", id % 4),
        op: "function".into(),
        start_us: BASE_US + minute * MINUTE_US,
        end_us: BASE_US + minute * MINUTE_US + 1_000_000 * (id as i64 % 7 + 1),
        ..Span::default()
    }
}

fn call(trace: u64, id: u64, parent: u64, minute: i64, model: &str) -> Span {
    Span {
        kind: SpanType::Llm,
        op: "gen_ai.chat".into(),
        provider: Some("openai".into()),
        response_model: Some(model.into()),
        usage: Usage { input: Some(100), output: Some(id), total: Some(100 + id), source: Some(UsageSource::Reported), ..Usage::default() },
        cost: Some(Cost { total: Usd(id as i64 * 1000), input: None, output: None, source: CostSource::Computed, price: None }),
        ..span(trace, id, parent, minute)
    }
}

fn facet<'a>(field: &'a str, prefix: &'a str) -> FacetQuery<'a> {
    FacetQuery { field, prefix, values: Vec::new(), limit: 5, counts_traces: false }
}

fn scope(filter: &str) -> QueryScope {
    QueryScope { filter: Filter::parse(filter).unwrap(), ..QueryScope::all() }
}

fn said(role: &str, text: &str) -> Vec<ChatMessage> {
    vec![ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text: text.into() }] }]
}

#[tokio::test]
async fn filters_select_the_right_spans() {
    let mut asked = call(1, 1, 0, 0, "gpt-4o-2024-08-06");
    asked.input_messages = said("user", "What is \"Hinomi\"?\nA 火の見 tower.");
    asked.tags = [("plan".to_owned(), "pro".to_owned()), ("seats".to_owned(), "12".to_owned())].into();
    asked.attributes.insert("http.status".into(), serde_json::json!(429));
    asked.status = SpanStatus::Error;
    asked.request_model = Some("gpt-4o".into());
    let mut other = call(2, 2, 0, 1, "o3");
    other.output_messages = said("assistant", "Nothing of note");
    other.user_id = Some("u_1".into());
    let given = Given::new().with(1, vec![asked, other]).await.flushed().await;
    let count = async |filter: &str| given.project(1).summary(&scope(filter)).await.unwrap().spans;
    // Rules evaluate the same filter on spans in memory, with only the columns that it needs.
    let in_memory = async |filter: &str| {
        let matcher = SpanMatcher::new(&Filter::parse(filter).unwrap()).unwrap();
        let mut held = 0;
        let hold = |span: Span| held += u64::from(matcher.holds(&span));
        given.project(1).each_span(i64::MIN, i64::MAX, &matcher.columns(), hold).await.unwrap();
        held
    };
    for (filter, want) in [
        ("model:gpt-4o*", 1),
        ("model:*4o*", 1),
        ("model:gpt-4o", 1),
        ("model:gpt-4o,o3", 2),
        ("-model:gpt-4o", 1),
        ("model:gpt-4", 0),
        ("status:error OR user:u_1", 2),
        ("(status:error OR user:u_1) model:o3", 1),
        ("-(status:error OR user:u_1)", 0),
        ("model:o3 OR tower user:u_1", 1),
        ("tower OR trace:00000000000000000000000000000002", 2),
        ("duration:>2500", 1),
        ("duration:>0.02m", 2),
        ("model:o3,gpt-4o-2024-08-06", 2),
        ("-model:o3", 1),
        ("-user:u_1", 1),
        ("user:*", 1),
        ("-user:*", 1),
        ("user:u%1", 0),
        ("status:error", 1),
        ("cost:>0.000000001", 1),
        ("cost:>=0.000000001", 2),
        ("duration:>2s", 1),
        ("duration:2000ms", 1),
        ("input_tokens:100", 2),
        ("output_tokens:<2", 1),
        ("total_tokens:>101", 1),
        ("tag.plan:pro", 1),
        ("tag.plan:*", 1),
        ("-tag.plan:pro", 1),
        ("tag.seats:>9", 1),
        ("attr.http.status:429", 1),
        ("attr.http.status:>=400", 1),
        (r#""\"hinomi\"""#, 1),
        ("火の見", 1),
        ("HINOMI tower", 1),
        ("-tower", 1),
        ("nothing", 1),
        ("role", 0),
        ("text", 0),
        ("trace:00000000000000000000000000000002", 1),
        ("span:0000000000000001 kind:llm", 1),
    ] {
        assert_eq!(count(filter).await, want, "{filter}");
        assert_eq!(in_memory(filter).await, want, "{filter} in memory");
    }
    for wrong in ["cost:>much", "duration:>soon", "trace:>5", "name:>x"] {
        assert!(given.project(1).summary(&scope(wrong)).await.unwrap_err().is_user_error(), "{wrong}");
        assert!(SpanMatcher::new(&Filter::parse(wrong).unwrap()).is_err(), "{wrong}");
    }
    let facets = given.project(1).facets(&QueryScope::all(), &facet("model", "GPT")).await.unwrap();
    assert_eq!(facets, [FacetValue { value: "gpt-4o-2024-08-06".into(), count: 1 }]);
    let tags = given.project(1).facets(&QueryScope::all(), &facet("tag", "")).await.unwrap();
    assert_eq!(tags.iter().map(|facet| facet.value.as_str()).collect::<Vec<_>>(), ["plan", "seats"]);
    let traces = given.project(1).traces(&scope("火の見"), "-start_time", 10, None).await.unwrap();
    assert_eq!(traces.traces.len(), 1);
    let among = [TraceId(1), TraceId(2), TraceId(3)];
    assert_eq!(given.project(1).matching_traces(&scope("model:o3"), &among).await.unwrap(), [TraceId(2)].into());
}

#[tokio::test]
async fn trace_has_subtree_totals_and_comparisons() {
    let mut given = Given::new();
    // Five earlier traces with a root of one second, then one of three seconds.
    for trace in 1..=5 {
        given = given.with(1, vec![Span { end_us: BASE_US + trace * MINUTE_US + 1_000_000, ..span(trace as u64, 7, 0, trace) }]).await;
    }
    let root = Span { end_us: BASE_US + 10 * MINUTE_US + 3_000_000, ..span(9, 7, 0, 10) };
    let given = given.with(1, vec![root, call(9, 8, 7, 10, "o3"), call(9, 9, 99, 10, "o3")]).await.flushed().await;
    let trace = given.project(1).trace(&TraceId(9), None).await.unwrap().unwrap();
    assert_eq!((trace.trace.root_span_id.as_deref(), trace.trace.span_count, trace.trace.llm_calls), (Some("0000000000000007"), 3, 2));
    let root = &trace.spans[0];
    assert_eq!(root.compared, Some(DurationComparison { median_ms: 1000.0, n: 5, ratio: 3.0 }));
    assert_eq!((root.subtree.llm_calls, root.subtree.cost), (1, Some(8e-9)));
    assert_eq!(root.self_time_ms, 1000.0, "the call took two of three seconds");
    assert_eq!(trace.spans[1].compared, None, "there were no others");
    assert!(given.project(1).trace(&TraceId(77), None).await.unwrap().is_none());
    assert!(given.project(2).trace(&TraceId(9), None).await.unwrap().is_none(), "a wall between projects");
    let detail = given.project(1).span(&TraceId(9), &SpanId(7), None, PriceBook::embedded()).await.unwrap().unwrap();
    assert_eq!((detail.span.compared, detail.span.subtree), (root.compared, root.subtree));
}

#[tokio::test]
async fn counted_call_shows_messages_of_its_duplicate_reports() {
    let message = |role: &str, text: &str| ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text: text.into() }] };
    let framework = Span { origin: Some("openinference.instrumentation.langchain".into()), ..call(3, 8, 7, 10, "claude-sonnet-4-5") };
    // The span of the provider's SDK below it has the messages and no tokens.
    let inner = Span {
        span_id: SpanId(9),
        parent_span_id: Some(SpanId(8)),
        origin: Some("opentelemetry.instrumentation.anthropic".into()),
        usage: Usage::default(),
        cost: None,
        input_messages: vec![message("user", "How many?")],
        output_messages: vec![message("assistant", "Two.")],
        ..framework.clone()
    };
    let given = Given::new().with(1, vec![span(3, 7, 0, 10), framework, inner]).await.flushed().await;
    let of = async |id: u64| given.project(1).span(&TraceId(3), &SpanId(id), None, PriceBook::embedded()).await.unwrap().unwrap();
    let (counted, other) = (of(8).await, of(9).await);
    assert_eq!((counted.span.counted, other.span.counted), (true, false), "{:?}", other.span.exclusion);
    assert_eq!(counted.input_messages, [message("user", "How many?")]);
    assert_eq!(counted.output_messages, [message("assistant", "Two.")]);
    let from = counted.texts_from.unwrap();
    assert_eq!((from.trace_id, from.span_id), (TraceId(3).to_string(), SpanId(9).to_string()));
    assert_eq!((other.texts_from, other.output_messages.len()), (None, 1), "its own");
    let found = given.project(1).trace(&TraceId(3), None).await.unwrap().unwrap();
    let trace = found.trace;
    assert_eq!((trace.input_preview.as_deref(), trace.output_preview.as_deref()), (Some("How many?"), Some("Two.")));
    assert!(
        found.hints.iter().all(|hint| hint.is_against || hint.hint != InstrumentationHint::PromptsNotSent),
        "its texts were sent: {:?}",
        found.hints
    );
}

/// Calls with these texts as answers, a minute apart. Every third has the next text as its prompt.
fn chats(texts: &[String]) -> Vec<Span> {
    let message = |role: &str, text: &String| ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text: text.clone() }] };
    let chat = |(at, text): (usize, &String)| Span {
        output_messages: vec![message("assistant", text)],
        input_messages: if at % 3 == 0 { vec![message("user", &texts[(at + 1) % texts.len()])] } else { Vec::new() },
        ..call(at as u64 / 3 + 1, at as u64 + 1, 0, (at * 37 % 500) as i64, "o3")
    };
    texts.iter().enumerate().map(chat).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn search_results_are_the_same_without_an_index(
        texts in proptest::collection::vec("[abcdABCD Σςé東京都火の見\"\\\\\n]{0,24}", 260..400),
        picks in proptest::collection::vec((any::<prop::sample::Index>(), 0..16usize, 1..9usize), 6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let spans = chats(&texts);
            let hour = std::time::Duration::from_secs(3600);
            let config = |indexed_rows| StoreConfig { rows_per_group: 16, indexed_rows, unindexed_age: hour, ..StoreConfig::default() };
            let indexed = Given::with_config(config(0)).with(1, spans.clone()).await.flushed().await;
            indexed.store.compact().await.unwrap();
            let plain = Given::with_config(config(usize::MAX)).with(1, spans.clone()).await.flushed().await;
            let (indexed, plain) = (indexed.project(1), plain.project(1));
            assert!(indexed.snapshot.segments[0].segment.rows_holding("zzzz").is_some());
            assert_eq!(plain.snapshot.segments[0].segment.rows_holding("zzzz"), None);
            for (pick, from, length) in picks {
                let phrase: String = pick.get(&texts).chars().skip(from).take(length).collect();
                let scope = QueryScope { filter: Filter(vec![crate::filter::FilterTerm::Text { not: false, text: phrase.clone() }]), ..QueryScope::all() };
                let holds = |text: &str| text.to_lowercase().contains(&phrase.to_lowercase());
                let says = |messages: &[ChatMessage]| {
                    messages.iter().flat_map(|message| &message.parts).any(|part| matches!(part, MessagePart::Text { text } if holds(text)))
                };
                let wanted = spans.iter().filter(|span| says(&span.input_messages) || says(&span.output_messages)).count();
                for sort in ["-start_time", "-cost"] {
                    let page = async |project: &ProjectSnapshot| {
                        let page = project.spans(&scope, sort, 400, None).await.unwrap();
                        page.spans.into_iter().map(|span| span.span_id).collect::<Vec<_>>()
                    };
                    let found = page(&indexed).await;
                    assert_eq!(found.len(), wanted, "{phrase:?} by {sort}");
                    assert_eq!(found, page(&plain).await, "{phrase:?} by {sort}");
                }
                assert_eq!(indexed.summary(&scope).await.unwrap(), plain.summary(&scope).await.unwrap(), "{phrase:?}");
                let traces = async |project: &ProjectSnapshot| project.traces(&scope, "-start_time", 7, None).await.unwrap();
                let ids = |page: TracePage| page.traces.into_iter().map(|trace| trace.trace_id).collect::<Vec<_>>();
                assert_eq!(ids(traces(&indexed).await), ids(traces(&plain).await), "{phrase:?}");
            }
        });
    }
}

#[tokio::test]
async fn user_errors_are_distinguished_from_failures() {
    let given = Given::new().with(1, vec![span(1, 1, 0, 0), span(1, 2, 0, 100_000)]).await;
    let project = given.project(1);
    assert!(project.spans(&QueryScope::all(), "colour", 5, None).await.unwrap_err().is_user_error());
    assert!(project.spans(&QueryScope::all(), "cost", 5, Some("x")).await.unwrap_err().is_user_error());
    let cursor = project.spans(&QueryScope::all(), "-start_time", 1, None).await.unwrap().next_cursor.unwrap();
    assert!(project.spans(&QueryScope::all(), "cost", 1, Some(&cursor)).await.is_err(), "a cursor of another order");
    let minute = BucketInterval::parse("1m").unwrap();
    assert!(matches!(project.series(&QueryScope::all(), minute, &[SeriesMeasure::Spans], None).await, Err(QueryError::TooManyPoints(_))));
}
